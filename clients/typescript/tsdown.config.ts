import { defineConfig } from 'tsdown';

export default defineConfig({
  entry: 'src/index.ts',
  format: ['esm', 'cjs'],
  platform: 'neutral', // one file for browsers and Node: nothing of either is imported
  target: 'es2022',
  dts: true,
  sourcemap: true,
  fixedExtension: false,
});
