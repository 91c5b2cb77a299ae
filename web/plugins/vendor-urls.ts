/**
 * Keeps browsers on the operator's host.
 *
 * The UI kit names hosts of its vendor (sounds, emoji list, pictures, help links) and Google (fonts, a help search)
 * in its code. Each is replaced here by a path of our own; a rule that no longer matches fails the build, and so does
 * any other absolute URL that reaches the output, so that an upgrade cannot quietly bring a foreign host back.
 */
import type { Plugin } from 'vite';

interface Rule {
  /** Exact text in the kit's source. */
  find: string;
  replace: string;
}

const RULES: Rule[] = [
  { find: 'https://rtk-uploads.realtime.cloudflare.com/notification_join.mp3', replace: '/meet/kit/join.wav' },
  { find: 'https://rtk-uploads.realtime.cloudflare.com/notification_message.mp3', replace: '/meet/kit/message.wav' },
  { find: 'https://rtk-assets.realtime.cloudflare.com/ui-kit/speaker-test.mp3', replace: '/meet/kit/speaker-test.wav' },
  { find: 'https://rtk-assets.realtime.cloudflare.com/assets/emojis-data.json', replace: '/meet/kit/emoji.json' },
  { find: 'https://rtk-assets.realtime.cloudflare.com/ui-kit/permissions/', replace: '/meet/kit/permissions/' },
  // This link would hand the participant's token to the vendor.
  {
    find: 'https://test.realtime.cloudflare.com?authToken=${this.meeting.__internals__.authToken}',
    replace: '/meet/help',
  },
  // Target of a chat link whose address was unsafe ("javascript:…").
  { find: "'https://realtime.cloudflare.com'", replace: "'/meet/help'" },
  { find: "'https://www.google.com/search?q='", replace: "'/meet/help?'" },
  // Inter is part of the page's own style sheet; other Google fonts fall back to it.
  { find: 'https://fonts.googleapis.com/css2?family=', replace: '/meet/kit/fonts.css?family=' },
  { find: "'https://fonts.googleapis.com'", replace: "'/'" },
  { find: "'https://fonts.gstatic.com'", replace: "'/'" },
  {
    find: "el.style.setProperty(getToken('font-family', tokenPrefix), googleFont);",
    replace: "el.style.setProperty(getToken('font-family', tokenPrefix), `${googleFont}, Inter, system-ui, sans-serif`);",
  },
  {
    find: "el.style.setProperty(getToken('font-family', tokenPrefix), fontFamily);",
    replace: "el.style.setProperty(getToken('font-family', tokenPrefix), `${fontFamily}, Inter, system-ui, sans-serif`);",
  },
];

/** Namespaces, documentation in messages and defaults that `baseURI` replaces: never requested. */
const HARMLESS = [
  /^https?:\/\/www\.w3\.org\//,
  /^https:\/\/(chat\.)?stenciljs\.com/,
  /^https:\/\/github\.com\//,
  /^https:\/\/aomedia\.org\//,
  /^https:\/\/webrtc\.org\//,
  /^https:\/\/aws\.amazon\.com\/blogs\//,
  /^https:\/\/(docs\.realtime|developers)\.cloudflare\.com\//,
  /^https:\/\/api(\.[a-z0-9]+)*\.dyte\.in$/,
  /^https:\/\/(api|examples)(\.staging)?\.realtime\.cloudflare\.com/,
  /^https:\/\/\$\{/, // hosts built from `baseURI` at run time
  /^wss?:\/\/\$\{/,
];

const KIT = /node_modules\/@cloudflare\/realtimekit/;
const ABSOLUTE = /(?:https?|wss?):\/\/[A-Za-z0-9$][^\s"'`\\)<>,;]*/g;

/** Replaces the kit's vendor URLs and refuses any that nobody decided about. */
export function vendorUrls(): Plugin {
  const matched = new Set<Rule>();
  return {
    name: 'parley-vendor-urls',
    apply: 'build',
    transform(code, id) {
      if (!KIT.test(id)) return null;
      let changed = code;
      for (const rule of RULES) {
        if (!changed.includes(rule.find)) continue;
        matched.add(rule);
        changed = changed.replaceAll(rule.find, rule.replace);
      }
      return changed === code ? null : { code: changed, map: null };
    },
    generateBundle(_options, bundle) {
      for (const rule of RULES) {
        if (!matched.has(rule)) this.error(`the UI kit no longer contains ${rule.find}: revise plugins/vendor-urls.ts`);
      }
      for (const [name, part] of Object.entries(bundle)) {
        if (part.type !== 'chunk') continue;
        for (const [url] of part.code.matchAll(ABSOLUTE)) {
          if (!HARMLESS.some((pattern) => pattern.test(url))) {
            this.error(`${name} contains ${url}: replace or allow it in plugins/vendor-urls.ts`);
          }
        }
      }
    },
  };
}
