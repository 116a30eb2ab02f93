/**
 * Why Dawn finds no adapter on Linux, as far as files tell: the Vulkan loader (libvulkan.so.1) or a driver for it is missing, and which
 * package brings it. It only looks; on macOS and Windows the system has what Dawn needs, and nothing is said here.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

type Part = 'loader' | 'driver';

/** Names of the package by the family of the distribution, as /etc/os-release gives it. */
const packages: readonly { readonly family: RegExp; readonly install: string; readonly name: Readonly<Record<Part, string>> }[] = [
  { family: /debian|ubuntu/, install: 'apt-get install', name: { loader: 'libvulkan1', driver: 'mesa-vulkan-drivers' } },
  { family: /fedora|rhel|centos/, install: 'dnf install', name: { loader: 'vulkan-loader', driver: 'mesa-vulkan-drivers' } },
  { family: /suse/, install: 'zypper install', name: { loader: 'libvulkan1', driver: 'libvulkan_lvp' } },
  { family: /arch/, install: 'pacman -S', name: { loader: 'vulkan-icd-loader', driver: 'vulkan-swrast' } },
  { family: /alpine/, install: 'apk add', name: { loader: 'vulkan-loader', driver: 'mesa-vulkan-swrast' } },
];

/** Null: both are there, or this is not Linux. Otherwise a sentence or two. */
export function missingVulkan(): string | null {
  if (process.platform !== 'linux') return null;
  if (!vulkanLoader()) {
    return `Dawn needs the Vulkan loader, libvulkan.so.1, and this machine has none: ${advice('loader')} brings it.`;
  }
  const named = process.env['VK_DRIVER_FILES'] ?? process.env['VK_ICD_FILENAMES'];
  if (named) {
    const absent = named.split(delimiter).filter((file) => file && !existsSync(file));
    return absent.length === 0
      ? null
      : `The Vulkan driver ${absent.join(', ')} that the environment names (VK_DRIVER_FILES or VK_ICD_FILENAMES) is not there: correct or unset the variable.`;
  }
  return drivers().length > 0
    ? null
    : `The Vulkan loader has no driver on this machine: ${advice('driver')} brings software and open ones.`;
}

/** Whether the system's linker finds libvulkan.so.1, by asking it. */
export function vulkanLoader(): boolean {
  try {
    process.dlopen({ exports: {} }, 'libvulkan.so.1');
    return true;
  } catch (error) {
    // A library that is there is refused for not being a Node module.
    return !/cannot open shared object file|No such file|Error loading shared library/.test(String(error));
  }
}

function drivers(): string[] {
  const data = (process.env['XDG_DATA_DIRS'] ?? '/usr/local/share:/usr/share').split(delimiter);
  return [...data, '/etc', '/usr/local/etc'].flatMap((root) => {
    try {
      return readdirSync(join(root, 'vulkan', 'icd.d')).filter((name) => name.endsWith('.json'));
    } catch {
      return [];
    }
  });
}

function advice(part: Part): string {
  let release = '';
  try {
    release = readFileSync('/etc/os-release', 'utf8');
  } catch {
    // Not every Linux has one; Debian's names then are a hint.
  }
  const family = /^ID(?:_LIKE)?=.*$/gm;
  const { install, name } = packages.find((one) => release.match(family)?.some((line) => one.family.test(line))) ?? packages[0]!;
  return `the package ${name[part]} (${install} ${name[part]})`;
}
