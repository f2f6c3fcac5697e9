// Draw every chart in its place.

const numbers = JSON.parse(document.getElementById('numbers').textContent);
const KINDS = { series, sankey, curve, matrix, bars };

document.getElementById('still').hidden = true;
for (const host of document.querySelectorAll('.chart')) {
  KINDS[host.dataset.kind](host, numbers[host.dataset.name]);
  host.classList.add('drawn');
}
