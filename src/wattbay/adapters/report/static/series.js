// Charts over time: panels one above the other, one cursor through all of them.

const LEFT = 46;
const TITLE = 26;
const GAP = 18;
const AXIS = 24;

/** Return the marks of the time axis: where a line stands, and what is written where. */
function timeMarks(view, column) {
  const marks = [];
  const n = view.t.length;
  const at = (i) => clock(view.t[i]);
  if (view.step >= 1440) {
    const byDay = n <= 31;
    const every = byDay ? Math.ceil(40 / column) : 1;
    let last = -Infinity;
    for (let i = 0; i < n; i += 1) {
      const c = at(i);
      if (byDay ? i % every === 0 : c.day === 1) {
        const label = byDay
          ? i === 0 || c.day === 1 || every > 1
            ? `${c.day} ${c.month.slice(0, 3)}`
            : String(c.day)
          : c.month.slice(0, 3) + (c.monthIndex === 0 ? ` ${c.year}` : '');
        const room = (i - last) * column > 34;
        marks.push({ i, line: !byDay, label: room ? label : '', middle: byDay });
        if (room) last = i;
      }
    }
    return marks;
  }
  const starts = [];
  for (let i = 0; i < n; i += 1) if (at(i).minutes === 0 || i === 0) starts.push(i);
  if (starts.length > 3) {
    starts.forEach((i, k) => {
      const width = ((starts[k + 1] ?? n) - i) * column;
      const c = at(i);
      const label =
        width >= 56
          ? `${c.weekday} ${c.day}`
          : width >= 30
            ? c.weekday
            : width >= 17 || k % 2 === 0
              ? String(c.day)
              : '';
      marks.push({ i, line: i > 0, label, centre: width / 2 });
    });
    return marks;
  }
  const hours = [1, 2, 3, 6, 12].find((h) => ((h * 60) / view.step) * column >= 48) ?? 12;
  for (let i = 0; i < n; i += 1) {
    const c = at(i);
    if (c.minutes % (hours * 60) === 0) {
      marks.push({
        i,
        line: c.minutes === 0 && i > 0,
        label: c.minutes === 0 ? `${c.weekday} ${c.day}` : c.time,
      });
    }
  }
  return marks;
}

/** Return the lowest and highest value that a panel must show; zero is always in it. */
function extent(panel, view) {
  const values = [0, ...(panel.lines ?? []).map((line) => line.at)];
  const all = [...panel.series, ...(panel.overlays ?? [])].map((s) => view.series[s.name] ?? []);
  all.push(...(panel.ranges ?? []).map((name) => view.series[name] ?? []));
  view.t.forEach((_, i) => {
    for (const list of all) if (list[i] != null) values.push(list[i]);
    if (panel.stacked)
      values.push(panel.series.reduce((sum, s) => sum + (view.series[s.name][i] ?? 0), 0));
  });
  const low = Math.min(...values) / panel.scale;
  const high = Math.max(...values) / panel.scale;
  const room = (high - low || 1) * 0.07;
  return [low < 0 ? low - room : 0, high > 0 ? high + room : 0];
}

/** Return the path of bars from `from` to `to`, one a column. */
function barPath(from, to, column, y) {
  const gap = column > 40 ? column * 0.35 : column > 5 ? column * 0.16 : 0;
  let path = '';
  to.forEach((value, i) => {
    if (value == null || value === from[i]) return;
    const x = LEFT + i * column + gap / 2;
    const [start, end, wide] = [y(from[i]), y(value), column - gap].map((px) => px.toFixed(1));
    path += `M${x.toFixed(1)} ${start}h${wide}V${end}h-${wide}z`;
  });
  return path;
}

/** Return the path of steps, broken where a value is missing. */
function stepPath(values, column, y) {
  let path = '';
  values.forEach((value, i) => {
    if (value == null) return;
    const x = LEFT + i * column;
    const joins = i > 0 && values[i - 1] != null;
    path += `${joins ? 'L' : 'M'}${x.toFixed(1)} ${y(value).toFixed(1)}h${column.toFixed(1)}`;
  });
  return path;
}

/** Draw one panel with its top at `top`. */
function drawPanel(root, panel, view, top, width, column) {
  const bottom = top + panel.height - TITLE - GAP;
  const [low, high] = extent(panel, view);
  const scale = linear(low, high, bottom, top);
  const y = (value) => scale.y(value / panel.scale);
  grid(root, scale, LEFT, width, panel.height > 150 ? 5 : 3);
  const zeros = view.t.map(() => 0);
  if (panel.draw === 'step') {
    const values = view.series[panel.series[0].name];
    const [lows, highs] = (panel.ranges ?? []).map((name) => view.series[name]);
    if (lows) root.append(svg('path', { class: 'range', d: barPath(lows, highs, column, y) }));
    else root.append(svg('path', { class: 'under', d: barPath(zeros, values, column * 1, y) }));
    root.append(svg('path', { class: 'line', d: stepPath(values, column, y) }));
  } else {
    let from = zeros;
    for (const s of panel.series) {
      const values = view.series[s.name].map((v, i) => (panel.stacked ? from[i] + (v ?? 0) : v));
      root.append(svg('path', { class: `bar ${s.look}`, d: barPath(from, values, column, y) }));
      if (panel.stacked) from = values;
    }
  }
  for (const line of panel.overlays ?? []) {
    root.append(
      svg('path', { class: 'line dashed', d: stepPath(view.series[line.name], column, y) }),
    );
  }
  for (const line of panel.lines ?? []) {
    const at = y(line.at);
    root.append(svg('line', { class: 'mark', x1: LEFT, x2: width, y1: at, y2: at }));
    root.append(
      svg(
        'text',
        { class: 'note halo', x: width - 4, y: at - 5, 'text-anchor': 'end' },
        `${line.label}: ${fixed(line.at / panel.scale, panel.digits)}`,
      ),
    );
  }
  root.append(
    svg(
      'text',
      { class: 'title', x: 0, y: top - 12 },
      `${panel.title} `,
      svg('tspan', { class: 'unit' }, panel.unit),
    ),
  );
  return bottom;
}

/** Write the value of a series at a column in the panel's unit; null where there is none. */
function written(panel, s, view, i, decimals) {
  const value = view.series[s.name]?.[i];
  return value == null ? null : fixed((value * (s.sign ?? 1)) / panel.scale, decimals);
}

/** Say what the series are at a column, with a swatch each. */
function tell(line, chart, view, i) {
  const parts = [html('b', {}, when(view.t[i], view.step))];
  for (const panel of chart.panels) {
    for (const s of [...panel.series, ...(panel.overlays ?? [])]) {
      const value = written(panel, s, view, i, panel.digits);
      const text = value === null ? `no ${s.label}` : `${value} ${panel.unit} ${s.label}`;
      parts.push(html('span', {}, swatch(s.look ?? 'dashed'), text));
    }
  }
  line.replaceChildren(...parts);
  return parts.map((part) => part.textContent).join('; ');
}

/** Return the table of a view. */
function seriesTable(chart, view, caption) {
  const all = chart.panels.flatMap((panel) =>
    [...panel.series, ...(panel.overlays ?? [])].map((s) => ({ panel, s })),
  );
  const heads = [
    'When',
    'Start, UTC',
    ...all.map(({ panel, s }) => `${s.label[0].toUpperCase()}${s.label.slice(1)} [${panel.unit}]`),
  ];
  const rows = view.t.map((minute, i) => [
    when(minute, view.step),
    new Date(minute * 60000).toISOString().slice(0, 16) + 'Z',
    ...all.map(({ panel, s }) => written(panel, s, view, i, 3) ?? 'none'),
  ]);
  return table(caption, heads, rows, 2);
}

/** Draw a chart over time into its place. */
function series(host, chart) {
  const name = host.dataset.name;
  const label = host.dataset.label;
  let view = chart.views[0];
  let cursor = null;
  let column = 1;
  const plot = html('div', {
    class: 'plot',
    tabindex: '0',
    role: 'slider',
    'aria-label': `${label}: read it with the arrow keys`,
    'aria-valuemin': '0',
  });
  const line = readout('Point, tap, or use the arrow keys to read values.');
  const names = chart.panels.flatMap((p) => [...p.series, ...(p.overlays ?? [])]);
  const legend = html(
    'ul',
    { class: 'legend' },
    ...names.map((s) => html('li', {}, swatch(s.look ?? 'dashed'), s.label)),
  );
  const details = document.querySelector(`details[data-table="${name}"]`);
  const given = details ? [...details.childNodes].slice(1) : [];
  const inTable = () =>
    fold(name, () =>
      html(
        'div',
        {},
        ...(view === chart.views[0] && given.length
          ? given
          : [seriesTable(chart, view, `${label}: ${view.label}`)]),
      ),
    );
  if (chart.views.length > 1) host.append(chooser());
  if (details && !given.length) inTable();
  if (names.length > 2 || (chart.panels.length === 1 && names.length > 1)) host.append(legend);
  host.append(plot, line);

  function chooser() {
    const select = html(
      'select',
      {},
      ...chart.views.map((v, i) => html('option', { value: i }, v.label)),
    );
    select.onchange = () => {
      view = chart.views[select.value];
      paint(Math.floor(plot.clientWidth));
      inTable();
    };
    return html('label', { class: 'choose' }, html('span', {}, 'Show'), select);
  }

  function point(i) {
    const at = Math.max(0, Math.min(view.t.length - 1, i));
    plot.setAttribute('aria-valuenow', at);
    plot.setAttribute('aria-valuetext', tell(line, chart, view, at));
    cursor.setAttribute('x', LEFT + at * column);
    cursor.setAttribute('visibility', 'visible');
    plot.at = at;
  }

  function paint(width) {
    const height = chart.panels.reduce((sum, panel) => sum + panel.height, 0) + AXIS - GAP;
    const root = picture(width, height);
    column = (width - LEFT) / view.t.length;
    cursor = svg('rect', {
      class: 'cursor',
      y: TITLE,
      width: Math.max(column, 2),
      height: height - AXIS - TITLE,
      visibility: 'hidden',
    });
    const marks = timeMarks(view, column);
    for (const mark of marks.filter((m) => m.line)) {
      const x = LEFT + mark.i * column;
      // Where days are left out between two deliveries, the line is dotted.
      const gap = view.t[mark.i] - view.t[mark.i - 1] > view.step * 1.1;
      root.append(
        svg('line', { class: gap ? 'gap' : 'day', x1: x, x2: x, y1: TITLE, y2: height - AXIS }),
      );
    }
    root.append(cursor);
    let top = TITLE;
    for (const panel of chart.panels) {
      drawPanel(root, panel, view, top, width, column);
      top += panel.height;
    }
    for (const mark of marks.filter((m) => m.label)) {
      const x = LEFT + mark.i * column + (mark.centre ?? (mark.middle ? column / 2 : 0));
      const first = mark.centre == null && !mark.middle && mark.i === 0;
      root.append(
        svg(
          'text',
          { class: 'tick', x, y: height - 6, 'text-anchor': first ? 'start' : 'middle' },
          mark.label,
        ),
      );
    }
    plot.replaceChildren(root);
    plot.setAttribute('aria-valuemax', view.t.length - 1);
    plot.setAttribute('aria-valuenow', 0);
    plot.setAttribute('aria-valuetext', when(view.t[0], view.step));
    plot.at = 0;
    line.rest();
  }

  plot.onpointermove = plot.onpointerdown = (event) =>
    point(Math.floor((event.clientX - plot.getBoundingClientRect().left - LEFT) / column));
  plot.onpointerleave = () => {
    if (document.activeElement !== plot) {
      cursor.setAttribute('visibility', 'hidden');
      line.rest();
    }
  };
  plot.onblur = () => {
    cursor.setAttribute('visibility', 'hidden');
    line.rest();
  };
  plot.onkeydown = (event) => {
    const day = Math.max(1, Math.round(1440 / view.step));
    const to = {
      ArrowRight: plot.at + 1,
      ArrowUp: plot.at + 1,
      ArrowLeft: plot.at - 1,
      ArrowDown: plot.at - 1,
      PageDown: plot.at + day,
      PageUp: plot.at - day,
      Home: 0,
      End: view.t.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    point(to);
  };
  onWidth(plot, paint);
}
