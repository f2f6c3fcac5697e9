// Who traded with whom: a cell for each seller and buyer, darker for more energy.

const SHADES = 6;

/** Draw the heat map into its place. */
function matrix(host, chart) {
  const { rows, columns: buyers, cells, grouped, kinds } = chart;
  if (!cells.length) return;
  const largest = Math.max(...cells.map((cell) => cell[2]));
  // Roots, because a few couples trade many times what most do.
  const shade = (wh) => Math.min(SHADES, Math.max(1, Math.ceil(Math.sqrt(wh / largest) * SHADES)));
  const line = readout('Point at a cell to read it.');
  const plot = html('div', {
    class: 'plot',
    role: 'img',
    'aria-label': `${host.dataset.label}: sellers down, buyers across, ${cells.length} couples`,
  });
  const scale = html(
    'p',
    { class: 'shades', 'aria-hidden': 'true' },
    'less ',
    ...Array.from({ length: SHADES }, (_, i) => html('i', { class: `s${i + 1}` })),
    ` more, up to ${energy(largest)}`,
  );
  host.append(plot, line, scale);
  const sold = rows.map((_, r) =>
    cells.filter((cell) => cell[0] === r).reduce((sum, cell) => sum + cell[2], 0),
  );
  const bought = buyers.map((_, c) =>
    cells.filter((cell) => cell[1] === c).reduce((sum, cell) => sum + cell[2], 0),
  );
  const name = (pod) => (kinds[pod] ? `${pod} (${kinds[pod].toLowerCase()})` : pod);

  onWidth(plot, (width) => {
    const left = grouped ? Math.min(120, width * 0.3) : 34;
    const margin = width < 560 ? 34 : 70;
    const top = grouped ? 44 : 34;
    const cell = Math.min((width - left - margin) / buyers.length, grouped ? 150 : 24);
    const tall = grouped ? Math.min(cell, 64) : Math.max(cell, 6);
    const foot = margin;
    const root = picture(width, top + tall * rows.length + foot);
    const across = left + cell * buyers.length;
    const down = top + tall * rows.length;
    root.append(
      svg('text', { class: 'title', x: 0, y: 12 }, 'Sellers ↓'),
      svg('text', { class: 'title', x: left + 40, y: 12 }, 'Buyers →'),
    );
    root.append(
      svg('rect', { class: 'field', x: left, y: top, width: across - left, height: down - top }),
    );
    const mark = svg('rect', { class: 'pick', width: cell, height: tall, visibility: 'hidden' });
    for (const [r, c, wh] of cells) {
      root.append(
        svg('rect', {
          class: `s${shade(wh)}`,
          x: left + c * cell,
          y: top + r * tall,
          width: Math.max(0.5, cell - (cell > 4 ? 1 : 0)),
          height: Math.max(0.5, tall - (tall > 4 ? 1 : 0)),
        }),
      );
      if (grouped && cell > 50) {
        root.append(
          svg(
            'text',
            {
              class: `value ${shade(wh) > 3 ? 'on' : ''}`,
              x: left + (c + 0.5) * cell,
              y: top + (r + 0.5) * tall + 4,
              'text-anchor': 'middle',
            },
            energy(wh),
          ),
        );
      }
    }
    const every = Math.ceil(13 / tall);
    rows.forEach(
      (pod, r) =>
        r % every === 0 && words(root, pod, left - 6, top + (r + 0.5) * tall + 4, 'end', grouped),
    );
    const apart = Math.ceil((grouped ? 60 : 26) / cell);
    buyers.forEach(
      (pod, c) =>
        c % apart === 0 && words(root, pod, left + (c + 0.5) * cell, top - 6, 'middle', grouped),
    );
    const most = Math.max(...sold, ...bought);
    sold.forEach((wh, r) =>
      root.append(
        svg('rect', {
          class: 'total',
          x: across + 4,
          y: top + r * tall,
          height: Math.max(1, tall - 1),
          width: (wh / most) * (margin - 6),
        }),
      ),
    );
    bought.forEach((wh, c) =>
      root.append(
        svg('rect', {
          class: 'total',
          x: left + c * cell,
          y: down + 4,
          width: Math.max(1, cell - 1),
          height: (wh / most) * (foot - 6),
        }),
      ),
    );
    root.append(mark);
    plot.replaceChildren(root);
    plot.onpointermove = plot.onpointerdown = (event) => {
      const box = plot.getBoundingClientRect();
      const c = Math.floor((event.clientX - box.left - left) / cell);
      const r = Math.floor((event.clientY - box.top - top) / tall);
      const inside = c >= 0 && r >= 0 && c < buyers.length && r < rows.length;
      mark.setAttribute('visibility', inside ? 'visible' : 'hidden');
      if (!inside) {
        line.rest();
        return;
      }
      mark.setAttribute('x', left + c * cell);
      mark.setAttribute('y', top + r * tall);
      const found = cells.find((each) => each[0] === r && each[1] === c);
      line.replaceChildren(
        html('b', {}, `${name(rows[r])} to ${name(buyers[c])}`),
        html(
          'span',
          {},
          found
            ? `${fixed(found[2] / 1000, 2)} kWh sold, ${fixed(found[3] / 1000, 2)} kWh delivered`
            : 'nothing',
        ),
      );
    };
    plot.onpointerleave = () => {
      mark.setAttribute('visibility', 'hidden');
      line.rest();
    };
  });

  fold('pairs', () =>
    table(
      'Energy sold, by seller and buyer',
      ['Seller', 'Buyer', 'Sold [kWh]', 'Delivered [kWh]'],
      cells.map(([r, c, wh, delivered]) => [
        rows[r],
        buyers[c],
        fixed(wh / 1000, 3),
        fixed(delivered / 1000, 3),
      ]),
      2,
    ),
  );
}

/** Write a label; a group's name is broken into lines. */
function words(root, text, x, y, anchor, broken) {
  const lines = broken ? text.split(/ (?=and |or )/) : [text];
  const label = svg('text', {
    class: 'tick',
    y: y - (lines.length - 1) * 7,
    'text-anchor': anchor,
  });
  lines.forEach((part, i) => label.append(svg('tspan', { x, dy: i ? 13 : 0 }, part)));
  root.append(label);
}
