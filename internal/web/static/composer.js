// The composer keeps the draft as it is typed, and shows how the message would
// go. Nodes are filled with text, never with markup; the server decides.
const form = document.querySelector('form[data-preview-url]');
if (form) {
  const find = name => form.querySelector(`[data-${name}]`);
  const icons = document.querySelector('svg use').getAttribute('href').split('#')[0];
  const draw = (svg, icon) => svg.querySelector('use').setAttribute('href', `${icons}#i-${icon}`);

  const ask = async url => {
    const data = new FormData(form);
    data.delete('files');
    const r = await fetch(url, {method: 'POST', headers: {Accept: 'application/json'}, body: new URLSearchParams(data)});
    if (!r.ok) throw new Error((await r.json().catch(() => ({}))).error || '');
    return r.json();
  };

  const showWay = to => {
    const row = form.querySelector(`[data-to="${CSS.escape(to.id)}"]`);
    if (!row) return;
    const prot = row.querySelector('.prot');
    prot.className = `prot prot--${to.protection.class}`;
    draw(prot, to.protection.icon);
    const p = prot.querySelector('p');
    p.firstChild.textContent = to.protection.lead;
    while (p.firstChild.nextSibling) p.firstChild.nextSibling.remove();
    p.append(to.protection.rest);
    const why = row.querySelector('[data-why]');
    if (why) why.textContent = to.why;
  };

  const showFinding = f => {
    const node = form.querySelector('#finding').content.firstElementChild.cloneNode(true);
    node.classList.add(`notice--${f.class}`);
    draw(node, f.icon);
    node.querySelector('strong').textContent = f.title;
    node.querySelector('p span').textContent = f.text;
    const pick = node.querySelector('.pick');
    if (!f.confirm) pick.remove();
    else {
      const box = pick.querySelector('input');
      box.value = f.id;
      box.checked = f.ticked;
      pick.querySelector('span').textContent = f.confirm;
    }
    return node;
  };

  const showSend = (send, shown) => {
    const b = find('send');
    b.className = `btn btn--${send.class}`;
    b.toggleAttribute('aria-disabled', send.blocked);
    if (send.blocked) b.setAttribute('aria-disabled', 'true');
    draw(b, send.icon);
    b.querySelector('span').textContent = send.label;
    form.elements.shown.value = shown;
  };

  let last = '';
  const show = p => {
    (p.to || []).forEach(showWay);
    const box = find('findings');
    const list = JSON.stringify(p.findings || []);
    if (list !== last) box.replaceChildren(...(p.findings || []).map(showFinding)); // an unchanged list keeps the focus
    last = list;
    box.hidden = !box.children.length;
    showSend(p.send, p.shown);
    const todo = find('todo');
    todo.textContent = p.todo;
    todo.hidden = !p.todo;
  };

  // ";name " brings the canned reply of that short name.
  const text = form.elements.text;
  const bring = async () => {
    const at = text.selectionStart;
    const typed = /(?:^|\s);([a-z0-9-]{1,20}) $/.exec(text.value.slice(0, at));
    if (!typed || !form.dataset.cannedUrl) return;
    const r = await fetch(form.dataset.cannedUrl + typed[1], {headers: {Accept: 'application/json'}});
    if (!r.ok) return; // no such short name: what was typed stays
    const canned = await r.json();
    const from = at - typed[1].length - 2;
    if (text.value.slice(from, at) !== `;${typed[1]} `) return; // they typed on
    text.setRangeText(canned.text, from, at, 'end');
    if (canned.macro) form.elements.macro.value = canned.macro;
    text.dispatchEvent(new Event('input', {bubbles: true}));
  };
  text.addEventListener('input', bring);

  let timer, turn = 0;
  const settle = async () => {
    const mine = ++turn;
    const [draft, preview] = await Promise.allSettled([ask(form.dataset.draftUrl), ask(form.dataset.previewUrl)]);
    if (mine !== turn) return; // something was typed in between; the later answer counts
    const said = draft.status === 'fulfilled' ? `Saved at ${draft.value.saved}` : 'Not saved. We try again when you go on typing.';
    find('saved').textContent = said;
    if (preview.status === 'fulfilled') show(preview.value);
  };
  form.addEventListener('input', event => {
    if (event.target.name === 'find') return;
    clearTimeout(timer);
    turn++;
    timer = setTimeout(settle, event.target.type === 'checkbox' ? 100 : 1500);
  });
  form.addEventListener('submit', () => { clearTimeout(timer); turn++; });
}
