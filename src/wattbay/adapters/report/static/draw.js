// What every chart is drawn with.

const SVG = 'http://www.w3.org/2000/svg';

/** Make an SVG element. */
function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Make an HTML element; `class` and other attributes, then children. */
function html(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Return a picture of the given size. What it shows is said by whoever holds it. */
function picture(width, height) {
  return svg('svg', { viewBox: `0 0 ${width} ${height}`, width, height, 'aria-hidden': 'true' });
}

/** Return round values that span [low, high], about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(1, count) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((m) => m * power >= rough) ?? 10);
  const values = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) {
    values.push(k * step);
  }
  return { values, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/** Draw whenever the width of `host` changes; `paint` gets that width in px. */
function onWidth(host, paint) {
  let last = 0;
  const again = () => {
    const width = Math.floor(host.clientWidth);
    if (width > 0 && width !== last) {
      last = width;
      paint(width);
    }
  };
  new ResizeObserver(again).observe(host);
  again();
}

/** Draw horizontal grid lines with their values; zero is stronger. */
function grid(root, scale, left, right, count, write = fixed) {
  const marks = ticks(scale.low, scale.high, count);
  for (const value of marks.values) {
    const y = scale.y(value);
    root.append(
      svg('line', {
        class: Math.abs(value) < 1e-9 ? 'zero' : 'grid',
        x1: left,
        x2: right,
        y1: y,
        y2: y,
      }),
    );
    root.append(
      svg(
        'text',
        { class: 'tick', x: left - 8, y: y + 4, 'text-anchor': 'end' },
        write(value, marks.decimals),
      ),
    );
  }
}

/** Return a linear scale of [low, high] onto [bottom, top] px. */
function linear(low, high, bottom, top) {
  const span = high - low || 1;
  return { low, high, y: (value) => bottom + ((value - low) / span) * (top - bottom) };
}

/** Return a table, as the ones that come with the page: first cell of a row is its heading. */
function table(caption, heads, rows, texts = 1) {
  const head = html('tr');
  heads.forEach((name, i) =>
    head.append(html('th', i < texts ? { scope: 'col' } : { scope: 'col', class: 'n' }, name)),
  );
  const body = html('tbody');
  for (const row of rows) {
    const line = html('tr');
    row.forEach((cell, i) =>
      line.append(
        i === 0
          ? html('th', { scope: 'row' }, cell)
          : html('td', i < texts ? {} : { class: 'n' }, cell),
      ),
    );
    body.append(line);
  }
  return html(
    'div',
    { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Table: ${caption}` },
    html('table', {}, html('caption', {}, caption), html('thead', {}, head), body),
  );
}

/** Replace what is folded behind a chart, keeping its summary; `make` runs when it is opened. */
function fold(name, make) {
  const details = document.querySelector(`details[data-table="${name}"]`);
  if (!details) return;
  const fill = () => {
    while (details.lastChild !== details.firstElementChild) details.lastChild.remove();
    details.append(make());
  };
  details.ontoggle = () => details.open && fill();
  if (details.open) fill();
}

/** Return a line of text that tells what is pointed at. */
function readout(hint) {
  const line = html('p', { class: 'readout' });
  line.rest = () => line.replaceChildren(html('span', { class: 'hint' }, hint));
  line.rest();
  return line;
}

/** Return a swatch in the look of a series. */
function swatch(look) {
  return html('i', { class: `swatch ${look}`, 'aria-hidden': 'true' });
}
