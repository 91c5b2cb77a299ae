/** The same interface as the whole of it. */
declare module 'hls.js/light' {
  export { default } from 'hls.js';
}
