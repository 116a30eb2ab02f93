/** `npm start`: installs what is missing, builds the page, serves the production build and opens it. Ctrl-C ends it. */
import { install, root, run } from './install.mjs';

const usage = `Usage: npm start [-- OPTIONS]
  --no-open     do not open a browser (nor is one opened where CI is set)
  --host        serve to the local network too (without https there, browsers offer no WebGPU)
  --port N      first port to try, 4173 by default; the next free one is taken`;

const args = process.argv.slice(2);
const portAt = args.indexOf('--port');
const port = portAt >= 0 ? Number(args.splice(portAt, 2)[1]) : 4173;
const unknown = args.filter((arg) => !['--no-open', '--host', '--help'].includes(arg));
if (unknown.length > 0 || args.includes('--help') || !Number.isInteger(port) || port < 1 || port > 65535) {
  console.error(unknown.length > 0 ? `npm start does not know ${unknown.join(' ')}.\n${usage}` : usage);
  process.exit(args.includes('--help') ? 0 : 2);
}

try {
  await install();
  const built = await run(process.execPath, ['node_modules/vite/bin/vite.js', 'build', '--logLevel', 'warn']);
  if (built !== 0) throw new Error('The page could not be built; the message is above.');

  const { preview } = await import('vite');
  const server = await preview({
    root,
    logLevel: 'warn',
    preview: { port, host: args.includes('--host') ? true : undefined, open: !process.env['CI'] && !args.includes('--no-open') },
  });
  const urls = server.resolvedUrls;
  console.log(`PerMix Lab is at ${[...(urls?.local ?? []), ...(urls?.network ?? [])].join(' and ')} (Ctrl-C to stop)`);

  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      // Open connections of a browser would keep the server alive; nothing of theirs can be lost.
      if ('closeAllConnections' in server.httpServer) server.httpServer.closeAllConnections();
      server.httpServer.close();
      process.exit(0);
    });
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
