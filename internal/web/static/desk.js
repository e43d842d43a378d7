// Keys of the desk, and the countdown of Undo. An element with data-key is
// pressed, or a field focused, by that key. Single keys can be turned off.
const help = document.getElementById('keyhelp');
const off = document.getElementById('keyhelp-off');
const store = 'postern.keys.off';
off.checked = localStorage.getItem(store) === '1';
off.addEventListener('change', () => off.checked ? localStorage.setItem(store, '1') : localStorage.removeItem(store));

const move = step => {
  const links = [...document.querySelectorAll('[data-rows] h2 a')];
  const at = links.indexOf(document.activeElement);
  const next = links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + step))];
  if (next) next.focus();
};

const press = key => {
  const e = document.querySelector(`[data-key="${key}"]`);
  if (!e) return false;
  if (e.matches('input, select, textarea')) { e.focus(); e.scrollIntoView({block: 'center'}); } else e.click();
  return true;
};

let before = '';
document.addEventListener('keydown', event => {
  const field = event.target.closest('input, select, textarea, [contenteditable]');
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && field && field.form) {
    const send = field.form.querySelector('[data-send]');
    if (send) { event.preventDefault(); field.form.requestSubmit(send); }
    return;
  }
  if (field || off.checked && event.key !== '?' || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const key = event.key, go = before === 'g';
  before = key;
  if (key === '?') help.showModal();
  else if (go && key === 'i') location.assign('/desk/inbox');
  else if (key === 'j') move(1);
  else if (key === 'k') move(-1);
  else if (key === '/') { const q = document.getElementById('q'); if (!q) { location.assign('/desk/search'); return; } q.focus(); }
  else if (!['r', 'n', 'a', 'e', 'y', 'u', 'x'].includes(key) || !press(key)) return;
  event.preventDefault();
});

for (const e of document.querySelectorAll('[data-countdown]')) {
  const end = Date.now() + 1000 * Number(e.dataset.countdown);
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - Date.now()) / 1000));
    e.textContent = left;
    if (left) return setTimeout(tick, 250);
    e.closest('form').replaceChildren('It is leaving now.');
  };
  tick();
}

// On a narrow screen the rail scrolls sideways: bring the current entry into view.
for (const e of document.querySelectorAll('.rail [aria-current]')) {
  const list = e.closest('ul');
  if (list) list.scrollLeft = e.offsetLeft - list.offsetLeft - 40;
}
