/** Starts the Chromium that the test rings use, with or without WebGPU. */
import { chromium, type Browser } from 'playwright';
import { findChromium, quietSwitches, softwareGpuSwitches } from '../../scripts/browser.ts';

/** @param webgpu SwiftShader's WebGPU, or none at all  @param switches more of Chromium's switches */
export function launchChromium(webgpu: boolean, switches: readonly string[] = []): Promise<Browser> {
  const path = findChromium();
  return chromium.launch({
    // Playwright's own, where the system has none; its headless shell has no WebGPU, the full Chromium does.
    ...(path ? { executablePath: path } : { channel: 'chromium' }),
    args: [...quietSwitches, ...(webgpu ? softwareGpuSwitches : []), ...switches],
  });
}
