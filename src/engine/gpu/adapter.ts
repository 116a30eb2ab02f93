/** What an adapter says of itself. Nothing is started here. */

export interface AdapterDescription {
  /** The adapter's own words, "nvidia ampere". */
  readonly adapter: string;
  /** A software rasteriser: correct, slow. */
  readonly software: boolean;
}

/** In the adapter's own words, each said once. */
export function describeAdapter({ info }: GPUAdapter): AdapterDescription {
  const parts = [info.vendor, info.architecture, info.device, info.description].filter((part) => part);
  const adapter = [...new Set(parts)].join(' ') || 'unnamed adapter';
  return { adapter, software: info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i.test(adapter) };
}
