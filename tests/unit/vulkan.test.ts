/** What `permix doctor` says where Dawn finds no adapter: the missing part and its package. */
import { existsSync } from 'node:fs';
import { afterEach, expect, it, vi } from 'vitest';
import { missingVulkan, vulkanLoader } from '../../src/cli/vulkan.ts';

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

it.skipIf(process.platform !== 'linux')('asks the linker, and believes it', () => {
  const paths = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib', '/lib'];
  expect(vulkanLoader()).toBe(paths.some((path) => existsSync(`${path}/libvulkan.so.1`)));
});

it.skipIf(process.platform !== 'linux')('names the package of a missing loader', () => {
  vi.spyOn(process, 'dlopen').mockImplementation(() => {
    throw new Error('libvulkan.so.1: cannot open shared object file: No such file or directory');
  });
  expect(missingVulkan()).toMatch(/libvulkan\.so\.1, and this machine has none: the package \S*vulkan\S* \(.* \S*vulkan\S*\) brings it/);
});

it.skipIf(process.platform !== 'linux' || !vulkanLoader())('names a driver that a variable names and that is not there', () => {
  vi.stubEnv('VK_DRIVER_FILES', '/nowhere/driver.json');
  expect(missingVulkan()).toMatch(/driver \/nowhere\/driver\.json that the environment names/);
});

it.skipIf(process.platform !== 'linux' || !vulkanLoader())('names the package of a missing driver', () => {
  vi.stubEnv('VK_DRIVER_FILES', undefined);
  vi.stubEnv('VK_ICD_FILENAMES', undefined);
  vi.stubEnv('XDG_DATA_DIRS', '/nowhere');
  expect(missingVulkan()).toMatch(/no driver on this machine: the package \S+/);
});
