/** Stops with one sentence on a Node that is too old. Imported first, so it may use nothing that an old Node lacks. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `PerMix Lab needs Node 20.19 or newer; this is Node ${process.versions.node}. Install a current one from https://nodejs.org and try again.`,
  );
  process.exit(1);
}
