// Supply and demand of one auction, and the way to choose it.

/**
 * Return the corners of a curve: cumulated kWh and price. Market orders stand at `edge`; after the
 * last order it goes straight on to `end`, for more energy has no price. A limit outside `bounds`
 * is drawn on the bound, so that prices at which nobody trades do not flatten the rest.
 */
function corners([limits, quantities], edge, end, bounds, scale) {
  const points = [];
  let sum = 0;
  limits.forEach((limit, i) => {
    const price = limit == null ? edge : Math.min(bounds[1], Math.max(bounds[0], limit / scale));
    points.push([sum, price]);
    sum += quantities[i] / 1000;
    points.push([sum, price]);
  });
  if (points.length) points.push([sum, end]);
  return points;
}

/** Return what the part of a curve up to `volume` is, for shading. */
function upTo(points, volume) {
  const cut = points.filter(([x]) => x <= volume + 1e-9);
  const next = points[cut.length];
  if (next) cut.push([volume, next[1]]);
  return cut;
}

/** Draw the auctions into their place. */
function curve(host, { auctions, purse, range }) {
  if (!auctions.length) return;
  const length = numbers.step;
  const bounds = range.map((price) => price / purse.scale);
  const most = (value) =>
    auctions.reduce((best, a, i) => (value(a) > value(auctions[best]) ? i : best), 0);
  const priced = (a) => a[1] != null && a[2] > 0;
  const notable = [
    ['Most energy', most((a) => a[2])],
    ['Dearest', most((a) => (priced(a) ? a[1] : -Infinity))],
    ['Cheapest', most((a) => (priced(a) ? -a[1] : -Infinity))],
    ['Most orders', most((a) => a[5] + a[6])],
  ];
  let at = notable[0][1];
  let width = 0;
  const select = html('select', {}, ...groups());
  const previous = html('button', { type: 'button' }, 'Previous');
  const next = html('button', { type: 'button' }, 'Next');
  const quick = html(
    'div',
    { class: 'quick' },
    ...notable.map(([label, i]) => {
      const button = html('button', { type: 'button' }, label);
      button.onclick = () => go(i);
      return button;
    }),
  );
  const controls = html(
    'div',
    { class: 'controls' },
    previous,
    html('label', { class: 'choose' }, html('span', { class: 'unseen' }, 'Auction'), select),
    next,
  );
  const plot = html('div', { class: 'plot', role: 'img' });
  const line = html('p', { class: 'readout', 'aria-live': 'polite' });
  host.append(quick, controls, line, plot);
  select.onchange = () => go(Number(select.value));
  previous.onclick = () => go(at - 1);
  next.onclick = () => go(at + 1);

  function groups() {
    const made = [];
    auctions.forEach((a, i) => {
      const c = clock(a[0]);
      const day = `${c.weekday} ${c.day} ${c.month} ${c.year}`;
      if (made.at(-1)?.label !== day) made.push(html('optgroup', { label: day }));
      const outcome = priced(a)
        ? `${fixed(a[1] / purse.scale, 2)} ${purse.unit}, ${fixed(a[2] / 1000, 2)} kWh`
        : 'nothing was traded';
      made
        .at(-1)
        .append(html('option', { value: i }, `${c.weekday} ${c.day} ${c.time}: ${outcome}`));
    });
    return made;
  }

  function go(i) {
    at = Math.max(0, Math.min(auctions.length - 1, i));
    select.value = at;
    previous.disabled = at === 0;
    next.disabled = at === auctions.length - 1;
    const [minute, price, volume, , , buys, sells] = auctions[at];
    const outcome = priced(auctions[at])
      ? `${energy2(volume)} traded at ${fixed(price / purse.scale, 2)} ${purse.unit}`
      : 'nothing was traded';
    line.replaceChildren(
      html('b', {}, when(minute, length)),
      html('span', {}, outcome),
      html('span', {}, `${many(buys, 'bid')}, ${many(sells, 'offer')}`),
    );
    plot.setAttribute('aria-label', `Supply and demand, ${when(minute, length)}: ${outcome}`);
    fold('auctions', () => levels(auctions[at]));
    if (width) paint(width);
  }

  function energy2(wh) {
    return `${fixed(wh / 1000, 2)} kWh`;
  }

  function levels([minute, , , bids, offers]) {
    const rows = [];
    for (const [side, [limits, quantities]] of [
      ['Bid', bids],
      ['Offer', offers],
    ]) {
      let sum = 0;
      limits.forEach((limit, i) => {
        sum += quantities[i];
        rows.push([
          side,
          limit == null ? 'at any price' : fixed(limit / purse.scale, 3),
          fixed(quantities[i] / 1000, 3),
          fixed(sum / 1000, 3),
        ]);
      });
    }
    return table(
      `Bids and offers, ${when(minute, length)}`,
      ['Side', `Limit [${purse.unit}]`, 'Energy [kWh]', 'Cumulated [kWh]'],
      rows,
    );
  }

  function paint(w) {
    width = w;
    const [, price, volume, bids, offers] = auctions[at];
    const height = w < 560 ? 300 : 340;
    const [left, right, top, bottom] = [46, w - 6, TITLE, height - 40];
    const totals = [bids, offers].map(([, q]) => q.reduce((sum, x) => sum + x, 0) / 1000);
    const traded = volume / 1000;
    const reach =
      Math.min(Math.max(...totals), Math.max(traded * 2.2, Math.min(...totals) * 1.15)) ||
      Math.max(...totals) ||
      1;
    const scale = linear(bounds[0], bounds[1], bottom, top);
    const x = (kwh) => left + (Math.min(kwh, reach) / reach) * (right - left);
    const root = picture(w, height);
    const demand = corners(bids, bounds[1], bounds[0], bounds, purse.scale);
    const supply = corners(offers, bounds[0], bounds[1], bounds, purse.scale);
    grid(root, scale, left, right, 5);
    const marks = ticks(0, reach, Math.max(3, Math.floor((right - left) / 110)));
    for (const value of marks.values) {
      root.append(
        svg(
          'text',
          {
            class: 'tick',
            x: x(value),
            y: bottom + 18,
            'text-anchor': value === 0 ? 'start' : x(value) > right - 20 ? 'end' : 'middle',
          },
          fixed(value, marks.decimals),
        ),
      );
    }
    root.append(
      svg(
        'text',
        { class: 'tick', x: right, y: height - 6, 'text-anchor': 'end' },
        'cumulated energy, kWh',
      ),
    );
    root.append(
      svg(
        'text',
        { class: 'title', x: 0, y: 12 },
        'Price ',
        svg('tspan', { class: 'unit' }, purse.unit),
      ),
    );
    const path = (points) =>
      points
        .map(([kwh, p], i) => `${i ? 'L' : 'M'}${x(kwh).toFixed(1)} ${scale.y(p).toFixed(1)}`)
        .join('');
    if (priced(auctions[at])) {
      const p = price / purse.scale;
      for (const [points, side] of [
        [demand, 'bid'],
        [supply, 'ask'],
      ]) {
        const part = upTo(points, traded);
        root.append(
          svg('path', {
            class: `gain ${side}`,
            d: `${path(part)}L${x(traded)} ${scale.y(p)}L${left} ${scale.y(p)}z`,
          }),
        );
      }
    }
    root.append(
      svg('path', { class: 'curve bid', d: path(demand) }),
      svg('path', { class: 'curve ask', d: path(supply) }),
    );
    if (priced(auctions[at])) {
      const [cx, cy] = [x(traded), scale.y(price / purse.scale)];
      root.append(
        svg('path', { class: 'mark', d: `M${left} ${cy}H${cx}V${bottom}` }),
        svg('circle', { class: 'dot', cx, cy, r: 5 }),
      );
      const beyond = cx > right - 120;
      root.append(
        svg(
          'text',
          {
            class: 'label strong halo',
            x: beyond ? cx - 10 : cx + 10,
            y: cy - 10,
            'text-anchor': beyond ? 'end' : 'start',
          },
          `${fixed(price / purse.scale, 2)} ${purse.unit}`,
        ),
      );
    }
    for (const [points, side, name] of [
      [demand, 'bid', 'bids'],
      [supply, 'ask', 'offers'],
    ]) {
      if (!points.length) continue;
      // Where a curve begins, bids are above and offers below whatever else is drawn.
      const limited = (side === 'bid' ? bids : offers)[0].findIndex((limit) => limit != null);
      const [kwh, p] = points[2 * Math.max(0, limited)];
      root.append(
        svg(
          'text',
          {
            class: `label strong halo ${side}-text`,
            x: x(kwh) + 6,
            y: scale.y(p) + (side === 'bid' ? -9 : 19),
          },
          name,
        ),
      );
    }
    plot.replaceChildren(root);
  }

  onWidth(plot, paint);
  go(at);
}
