/** How large the pictures of a call can be. */

const GAP = 10;
const WIDEST = 16 / 9;
const NARROWEST = 4 / 3;

/** Width and height, in pixels, with which that many tiles fill a box best; the last row may have fewer. */
export function fitTiles(count: number, width: number, height: number): { width: number; height: number } {
  let best = { width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cell = { width: (width - GAP * (columns - 1)) / columns, height: (height - GAP * (rows - 1)) / rows };
    const tile = {
      width: Math.min(cell.width, cell.height * WIDEST),
      height: Math.min(cell.height, cell.width / NARROWEST),
    };
    if (tile.width * tile.height > best.width * best.height) best = tile;
  }
  return { width: Math.floor(best.width), height: Math.floor(best.height) };
}
