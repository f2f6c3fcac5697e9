// The Sankey diagram. A flow that passes the middle column has a place of its own there, so that
// nothing runs over the neighbours' node.

const LOOKS = {
  solar: 'solar',
  from_battery: 'battery',
  supplier: 'import',
  traded: 'community',
  shared: 'community',
  homes: 'load',
  into_battery: 'battery',
  export: 'export',
};
const SOURCES = ['solar', 'from_battery', 'supplier'];
const MIDDLE = ['traded', 'shared'];
const SINKS = ['export', 'into_battery', 'homes'];

const LINES = 40;

/** Lay nodes of a column out from top to bottom; `gap` px between them. */
function stack(nodes, scale, gap, height) {
  const used =
    nodes.reduce((sum, node) => sum + node.size * scale, 0) + gap * Math.max(0, nodes.length - 1);
  let y = (height - used) / 2;
  for (const node of nodes) {
    node.y = y;
    node.in = y;
    node.out = y;
    const next = nodes[nodes.indexOf(node) + 1];
    // Two names under each other need room for two lines each.
    const names =
      node.name && next?.name
        ? Math.max(0, LINES - ((node.size + next.size) * scale) / 2 - gap)
        : 0;
    y += node.size * scale + gap + names;
  }
}

/** Return a band from one edge to another, `a` and `b` px thick. */
function band(x1, y1, x2, y2, thick) {
  const middle = (x1 + x2) / 2;
  const upper = `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
  const [z1, z2] = [y1 + thick, y2 + thick];
  return `${upper}V${z2}C${middle} ${z2} ${middle} ${z1} ${x1} ${z1}z`;
}

/** Return the nodes of the three columns, with what flows through each. */
function columns(links) {
  const size = (name) =>
    Math.max(
      links.filter(([from]) => from === name).reduce((sum, [, , wh]) => sum + wh, 0),
      links.filter(([, to]) => to === name).reduce((sum, [, , wh]) => sum + wh, 0),
    );
  const made = (names) =>
    names.map((name) => ({ name, size: size(name) })).filter((node) => node.size > 0);
  const rank = ([from, to]) => SOURCES.indexOf(from) * 10 + SINKS.indexOf(to);
  const passing = links
    .filter(([from, to]) => !MIDDLE.includes(from) && !MIDDLE.includes(to))
    .sort((a, b) => rank(a) - rank(b))
    .map((link) => ({ link, size: link[2], passes: true }));
  const below = passing.findIndex(({ link }) => link[0] === 'supplier');
  const cut = below < 0 ? passing.length : below;
  return [
    made(SOURCES),
    [...passing.slice(0, cut), ...made(MIDDLE), ...passing.slice(cut)],
    made(SINKS),
  ];
}

/** Draw the flows into their place. */
function sankey(host, { nodes, links }) {
  const told = links.map(([from, to, wh]) => `${nodes[from]} to ${nodes[to]} ${energy(wh)}`);
  const plot = html('div', {
    class: 'plot',
    role: 'img',
    'aria-label': `${host.dataset.label}: ${told.join('; ')}`,
  });
  const line = readout('Point at a flow to read it.');
  host.append(plot, line);
  onWidth(plot, (width) => {
    const narrow = width < 560;
    const height = 420;
    const root = picture(width, height);
    const layers = columns(links);
    const gaps = [22, narrow ? 12 : 10, 22];
    const scale = Math.min(
      ...layers.map(
        (layer, k) =>
          (height - 48 - gaps[k] * (layer.length - 1)) /
          layer.reduce((sum, node) => sum + node.size, 0),
      ),
    );
    layers.forEach((layer, k) => stack(layer, scale, gaps[k], height));
    const thick = 10;
    const xs = [0, (width - thick) * (narrow ? 0.42 : 0.46), width - thick];
    const flat = layers.flat();
    const node = (name) => flat.find((each) => each.name === name);
    const draw = (x1, y1, x2, y2, wh, link) => {
      const path = svg('path', {
        class: `flow ${LOOKS[link[0]]}`,
        d: band(x1, y1, x2, y2, Math.max(1, wh * scale)),
      });
      path.onpointerenter = path.onpointerdown = () =>
        line.replaceChildren(
          html('b', {}, `${nodes[link[0]]} → ${nodes[link[1]].toLowerCase()}`),
          html('span', {}, swatch(LOOKS[link[0]]), energy(link[2])),
        );
      path.onpointerleave = () => line.rest();
      root.append(path);
    };
    const order = (a, b) => layers[1].indexOf(a) - layers[1].indexOf(b);
    const via = links.map((link) => ({
      link,
      mid:
        flat.find((each) => each.link === link) ??
        node(link[0] in nodes && MIDDLE.includes(link[0]) ? link[0] : link[1]),
    }));
    for (const { link, mid } of [...via].sort((a, b) => order(a.mid, b.mid))) {
      const [from, to, wh] = link;
      const h = wh * scale;
      if (mid.passes) {
        const a = node(from);
        const b = node(to);
        draw(xs[0] + thick, a.out, xs[1], mid.y, wh, link);
        root.append(
          Object.assign(
            svg('path', {
              class: `flow ${LOOKS[from]}`,
              d: `M${xs[1]} ${mid.y}h${thick}v${Math.max(1, h)}h${-thick}z`,
            }),
          ),
        );
        draw(xs[1] + thick, mid.y, xs[2], b.in, wh, link);
        a.out += h;
        b.in += h;
      } else if (MIDDLE.includes(to)) {
        const a = node(from);
        draw(xs[0] + thick, a.out, xs[1], mid.in, wh, link);
        a.out += h;
        mid.in += h;
      } else {
        const b = node(to);
        draw(xs[1] + thick, mid.out, xs[2], b.in, wh, link);
        mid.out += h;
        b.in += h;
      }
    }
    layers.forEach((layer, k) =>
      layer
        .filter((each) => each.name)
        .forEach((each) => {
          const h = Math.max(2, each.size * scale);
          root.append(
            svg('rect', {
              class: `node ${LOOKS[each.name]}`,
              x: xs[k],
              y: each.y,
              width: thick,
              height: h,
              rx: 1.5,
            }),
          );
          const right = k === 2;
          const x = right ? xs[k] - 8 : xs[k] + thick + 8;
          const text = svg('text', {
            class: 'halo label',
            y: each.y + h / 2 - 4,
            'text-anchor': right ? 'end' : 'start',
          });
          text.append(
            svg('tspan', { x, class: 'strong' }, nodes[each.name]),
            svg('tspan', { x, dy: 16 }, energy(each.size)),
          );
          root.append(text);
        }),
    );
    plot.replaceChildren(root);
  });
}
