/** What the server tells every page, in `<meta name="parley">`. */

export interface Context {
  version: string;
  /** Address under which users reach this server. */
  public_url: string;
  /** Whether the start page may create meetings. */
  demo: boolean;
  /** Path of the API reference. */
  api_reference: string;
}

const FALLBACK: Context = { version: '', public_url: location.origin, demo: false, api_reference: '/docs/api' };

/** Read the server's facts; pages opened without the server get harmless defaults. */
export function readContext(): Context {
  const content = document.querySelector<HTMLMetaElement>('meta[name="parley"]')?.content;
  return content ? { ...FALLBACK, ...(JSON.parse(content) as Partial<Context>) } : FALLBACK;
}
