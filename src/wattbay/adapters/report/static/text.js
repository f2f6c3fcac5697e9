// Numbers and times as a reader sees them: no minus zero, local time of the community.

const MINUS = '\u2212';
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** Write a number with a fixed count of decimals and thousands separators. */
function fixed(value, decimals) {
  const text = Math.abs(value)
    .toFixed(decimals)
    .replace(/\B(?=(\d{3})+(?!\d)(?<!\.\d*))/g, ',');
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

/** Write an amount of nano-currency. */
function money(nano, purse) {
  const text = fixed(nano / 1e9, purse.decimals);
  return text.startsWith(MINUS) ? MINUS + purse.symbol + text.slice(1) : purse.symbol + text;
}

/** Write a number with its noun. */
function many(number, noun) {
  return `${fixed(number, 0)} ${noun}${number === 1 ? '' : 's'}`;
}

/** Write an energy in Wh as kWh, or MWh where it is large. */
function energy(wh) {
  return Math.abs(wh) >= 1e7 ? `${fixed(wh / 1e6, 1)} MWh` : `${fixed(wh / 1e3, 1)} kWh`;
}

/** Return the local wall clock of a minute of UTC: the offsets come with the page. */
function clock(minute) {
  let [, ahead, zone] = numbers.offsets[0];
  for (const [from, offset, name] of numbers.offsets) {
    if (from <= minute) [ahead, zone] = [offset, name];
  }
  const wall = new Date((minute + ahead) * 60000);
  const two = (n) => String(n).padStart(2, '0');
  return {
    weekday: DAYS[wall.getUTCDay()],
    day: wall.getUTCDate(),
    month: MONTHS[wall.getUTCMonth()],
    monthIndex: wall.getUTCMonth(),
    year: wall.getUTCFullYear(),
    minutes: wall.getUTCHours() * 60 + wall.getUTCMinutes(),
    time: `${two(wall.getUTCHours())}:${two(wall.getUTCMinutes())}`,
    zone,
  };
}

/** Write when a value holds: a local day, or a delivery from start to end. */
function when(minute, step) {
  const start = clock(minute);
  const day = `${start.weekday} ${start.day} ${start.month}`;
  if (step >= 1440) return `${day} ${start.year}`;
  const end = clock(minute + step);
  return `${day}, ${start.time} to ${end.time} ${end.zone}`;
}
