import { join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';
import { compress } from './plugins/compress.ts';
import { head } from './plugins/head.ts';
import { kitAssets } from './plugins/kit-assets.ts';
import { notices } from './plugins/notices.ts';
import { vendorUrls } from './plugins/vendor-urls.ts';

const path = (relative: string): string => join(import.meta.dirname, relative);
const OUTPUT = path('../src/parley/web/dist');

/** The shim is a classic script under a fixed name: it runs before modules and leaves no global names. */
function classicShim(): Plugin {
  return {
    name: 'parley-classic-shim',
    apply: 'build',
    renderChunk(code, chunk) {
      return chunk.name === 'shim' ? { code: `(()=>{${code}})();\n`, map: null } : null;
    },
  };
}

export default defineConfig({
  appType: 'mpa',
  // From its sources: nothing has to be installed or built before the pages.
  resolve: { alias: { 'parley-js': path('../clients/typescript/src/index.ts') } },
  plugins: [head(), vendorUrls(), kitAssets(), notices(path('.')), classicShim(), compress(OUTPUT)],
  build: {
    outDir: OUTPUT,
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0, // data: URLs would need holes in the content security policy
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2500, // SDK and UI kit together
    rolldownOptions: {
      input: {
        start: path('index.html'),
        meet: path('meet.html'),
        chat: path('chat.html'),
        room: path('room.html'),
        watch: path('watch.html'),
        notices: path('notices.html'),
        shim: path('src/shim/shim.ts'),
      },
      output: {
        entryFileNames: (chunk) => (chunk.name === 'shim' ? 'meet/shim.js' : 'assets/[name]-[hash].js'),
        chunkFileNames: 'assets/[name]-[hash].js',
        assetFileNames: 'assets/[name]-[hash][extname]',
      },
    },
  },
});
