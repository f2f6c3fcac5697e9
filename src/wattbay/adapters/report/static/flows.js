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
const FLOWS_HEIGHT = 420;
const NODE = 10;
/** Two names under each other need room for two lines each. [px] */
const LINES = 40;

/** Return the places of the three columns, from top to bottom, with what flows through each. */
function columns(links) {
  const sum = (some) => some.reduce((total, [, , wh]) => total + wh, 0);
  const made = (names) =>
    names
      .map((name) => {
        const [out, into] = [0, 1].map((end) => sum(links.filter((link) => link[end] === name)));
        return { name, size: Math.max(out, into) };
      })
      .filter((place) => place.size > 0);
  const rank = ([from, to]) => SOURCES.indexOf(from) * 10 + SINKS.indexOf(to);
  const passing = links
    .filter(([from, to]) => !MIDDLE.includes(from) && !MIDDLE.includes(to))
    .sort((a, b) => rank(a) - rank(b))
    .map((link) => ({ link, size: link[2] }));
  const below = passing.findIndex(({ link }) => link[0] === 'supplier');
  const cut = below < 0 ? passing.length : below;
  return [
    made(SOURCES),
    [...passing.slice(0, cut), ...made(MIDDLE), ...passing.slice(cut)],
    made(SINKS),
  ];
}

/**
 * Give every place its upper edge; `into` and `out` move down from there as flows are drawn.
 * Return how many px a Wh is.
 */
function layOut(layers) {
  const gaps = [22, 10, 22];
  const scales = layers.map((places, k) => {
    const whole = places.reduce((sum, place) => sum + place.size, 0);
    return (FLOWS_HEIGHT - 48 - gaps[k] * (places.length - 1)) / whole;
  });
  const scale = Math.min(...scales);
  layers.forEach((places, k) => {
    const apart = places.map((place, i) => {
      const next = places[i + 1];
      if (!next) return 0;
      const named = place.name && next.name;
      return Math.max(gaps[k], named ? LINES - ((place.size + next.size) * scale) / 2 : 0);
    });
    const used = places.reduce((sum, place, i) => sum + place.size * scale + apart[i], 0);
    let y = (FLOWS_HEIGHT - used) / 2;
    places.forEach((place, i) => {
      Object.assign(place, { y, into: y, out: y });
      y += place.size * scale + apart[i];
    });
  });
  return scale;
}

/** Return a curve on from the first of the points through the others, level at each. */
function bends(points) {
  return points.slice(1).map(([x, y], i) => {
    const [x0, y0] = points[i];
    const middle = (x0 + x) / 2;
    return `C${middle} ${y0} ${middle} ${y} ${x} ${y}`;
  });
}

/** Return a band whose upper edge goes through the points, `thick` px high. */
function band(points, thick) {
  const lower = points.map(([x, y]) => [x, y + thick]).reverse();
  const [start, turn] = [points[0], lower[0]];
  return `M${start}${bends(points).join('')}L${turn}${bends(lower).join('')}z`;
}

/** Draw the flows into their place. */
function sankey(host, { nodes, links }) {
  const told = links.map(([from, to, wh]) => `${nodes[from]} to ${nodes[to]} ${energy(wh)}`);
  const label = `${host.dataset.label}: ${told.join('; ')}`;
  const plot = html('div', { class: 'plot', role: 'img', 'aria-label': label });
  const line = readout('Point at a flow to read it.');
  host.append(plot, line);

  function flow(link, points, scale) {
    const [from, to, wh] = link;
    const path = svg('path', {
      class: `flow ${LOOKS[from]}`,
      d: band(points, Math.max(1, wh * scale)),
    });
    path.onpointerenter = path.onpointerdown = () =>
      line.replaceChildren(
        html('b', {}, `${nodes[from]} → ${nodes[to].toLowerCase()}`),
        html('span', {}, swatch(LOOKS[from]), energy(wh)),
      );
    path.onpointerleave = () => line.rest();
    return path;
  }

  function drawFlows(root, layers, xs, scale) {
    const [left, middle, right] = xs;
    const places = layers.flat();
    const named = (name) => places.find((place) => place.name === name);
    const via = ([from, to]) => named(MIDDLE.includes(from) ? from : to);
    const at = (link) => places.find((place) => place.link === link) ?? via(link);
    const order = (link) => layers[1].indexOf(at(link));
    for (const link of [...links].sort((a, b) => order(a) - order(b))) {
      const [from, to, wh] = link;
      const [source, sink, place, h] = [named(from), named(to), at(link), wh * scale];
      const points = [];
      if (source !== place) {
        points.push([left + NODE, source.out], [middle, place.into]);
        source.out += h;
      }
      if (sink !== place) {
        points.push([middle + NODE, place.out], [right, sink.into]);
        sink.into += h;
      }
      if (source !== place) place.into += h;
      if (sink !== place) place.out += h;
      root.append(flow(link, points, scale));
    }
  }

  function drawNode(root, place, x, scale, isLast) {
    const height = Math.max(2, place.size * scale);
    const look = `node ${LOOKS[place.name]}`;
    root.append(svg('rect', { class: look, x, y: place.y, width: NODE, height, rx: 1.5 }));
    const at = isLast ? x - 8 : x + NODE + 8;
    const name = svg('tspan', { x: at, class: 'strong' }, nodes[place.name]);
    const size = svg('tspan', { x: at, dy: 16 }, energy(place.size));
    const anchor = isLast ? 'end' : 'start';
    const y = place.y + height / 2 - 4;
    root.append(svg('text', { class: 'halo label', y, 'text-anchor': anchor }, name, size));
  }

  onWidth(plot, (width) => {
    const root = picture(width, FLOWS_HEIGHT);
    const layers = columns(links);
    const scale = layOut(layers);
    const xs = [0, (width - NODE) * (width < 560 ? 0.42 : 0.46), width - NODE];
    drawFlows(root, layers, xs, scale);
    layers.forEach((places, k) => {
      for (const place of places) if (place.name) drawNode(root, place, xs[k], scale, k === 2);
    });
    plot.replaceChildren(root);
  });
}
