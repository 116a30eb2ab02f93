/** WebGPU in Node for tests: where no driver is named, a software one of this system is, if there is one. */
import { existsSync } from 'node:fs';
import { provideWebGpu } from '../../src/cli/webgpu.ts';

const drivers = ['/usr/share/vulkan/icd.d/lvp_icd.json', '/usr/lib/chromium/vk_swiftshader_icd.json'];

/** Null: WebGPU is there (an adapter need not be). Otherwise a sentence about what is missing. */
export function provideSoftwareWebGpu(): Promise<string | null> {
  const software = drivers.find((driver) => existsSync(driver));
  if (software) process.env['VK_ICD_FILENAMES'] ??= software;
  return provideWebGpu();
}
