// Savings: a bar for each home, the one that saved most first; below zero a home lost.

/** Draw every way of counting one above the other. */
function bars(host, { sets, purse }) {
  for (const set of sets) {
    const place = html('div', {
      class: 'plot',
      tabindex: '0',
      role: 'slider',
      'aria-label': `${set.label}: read it with the arrow keys`,
      'aria-valuemin': '0',
    });
    const line = readout(
      set.percentiles
        ? 'Homes in order of what they saved, in hundredths.'
        : 'Homes in order of what they saved.',
    );
    host.append(html('h3', {}, set.label), place, line);
    oneSet(place, line, set, purse, sets);
  }
}

function oneSet(plot, line, set, purse, sets) {
  const values = set.bars.map((bar) => bar[1] / 1e9);
  const both = sets.flatMap((each) => each.bars.map((bar) => bar[1] / 1e9));
  const [low, high] = [Math.min(0, ...both), Math.max(0, ...both)];
  const room = (high - low || 1) * 0.06;
  let column = 1;
  let pick = null;
  let at = 0;
  const height = 170;

  function point(i) {
    at = Math.max(0, Math.min(values.length - 1, i));
    const [name, nano, kind] = set.bars[at];
    const saved =
      nano >= 0 ? `paid ${money(nano, purse)} less` : `paid ${money(-nano, purse)} more`;
    const who = set.percentiles
      ? `Saved more than ${name} homes`
      : `${name}${kind ? ` (${kind.toLowerCase()})` : ''}`;
    line.replaceChildren(html('b', {}, who), html('span', {}, saved));
    pick.setAttribute('x', LEFT + at * column);
    pick.setAttribute('visibility', 'visible');
    plot.setAttribute('aria-valuenow', at);
    plot.setAttribute('aria-valuetext', `${who}: ${saved}`);
  }

  onWidth(plot, (width) => {
    const root = picture(width, height);
    const scale = linear(low < 0 ? low - room : 0, high + room, height - 8, 10);
    column = (width - LEFT) / values.length;
    grid(root, scale, LEFT, width, 7, (value) => money(value * 1e9, purse));
    const zeros = values.map(() => 0);
    pick = svg('rect', {
      class: 'cursor',
      y: 0,
      height,
      width: Math.max(2, column),
      visibility: 'hidden',
    });
    root.append(pick);
    root.append(
      svg('path', {
        class: 'bar gains',
        d: barPath(
          zeros,
          values.map((v) => (v > 0 ? v : null)),
          column,
          scale.y,
        ),
      }),
    );
    root.append(
      svg('path', {
        class: 'bar losses',
        d: barPath(
          zeros,
          values.map((v) => (v < 0 ? v : null)),
          column,
          scale.y,
        ),
      }),
    );
    const y = scale.y(set.middle / 1e9);
    root.append(svg('line', { class: 'mark', x1: LEFT, x2: width, y1: y, y2: y }));
    root.append(
      svg(
        'text',
        { class: 'note halo', x: width - 4, y: y - 5, 'text-anchor': 'end' },
        `middle: ${money(set.middle, purse)}`,
      ),
    );
    plot.replaceChildren(root);
    plot.setAttribute('aria-valuemax', values.length - 1);
    plot.setAttribute('aria-valuenow', 0);
    plot.setAttribute('aria-valuetext', set.bars[0][0]);
  });
  const rest = () => {
    pick.setAttribute('visibility', 'hidden');
    line.rest();
  };
  plot.onpointermove = plot.onpointerdown = (event) =>
    point(Math.floor((event.clientX - plot.getBoundingClientRect().left - LEFT) / column));
  plot.onpointerleave = plot.onblur = rest;
  plot.onkeydown = (event) => {
    const to = {
      ArrowRight: at + 1,
      ArrowUp: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at - 1,
      Home: 0,
      End: values.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    point(to);
  };
}
