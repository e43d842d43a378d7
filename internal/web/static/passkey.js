// Passkeys: a form with data-passkey="login" or "register" asks data-begin for
// options, lets the browser do its part, and sends the answer to data-finish.
// What goes wrong is said in words in the form's data-error, whose own data has them in
// the page's language; without it they are English.
const post = async (url, body) => {
  const r = await fetch(url, {method: 'POST', headers: {'Content-Type': 'application/json', Accept: 'application/json'}, body: JSON.stringify(body)});
  const a = await r.json().catch(() => ({}));
  if (!r.ok) throw new Error(a.error || '');
  return a;
};

const words = (e, d) => ({
  NotAllowedError: d.none || 'Nothing was chosen, or it took too long. Try again, or use the other way.',
  InvalidStateError: d.have || 'This device has a passkey for you already.',
  SecurityError: d.secure || 'This address cannot use passkeys. Check that it begins with https.',
  AbortError: d.abort || 'It was broken off. Try again.',
})[e.name] || e.message || d.broken || 'Something went wrong on our side. Try again.';

const ours = path => /^\/(?![/\\])/.test(path || ''); // a path of this site, and nothing else

const run = async form => {
  const making = form.dataset.passkey === 'register';
  const options = (await post(form.dataset.begin, Object.fromEntries(new FormData(form)))).publicKey;
  const credential = making
    ? await navigator.credentials.create({publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options)})
    : await navigator.credentials.get({publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options)});
  const answer = await post(form.dataset.finish, credential.toJSON());
  location.assign([answer.next, form.dataset.next].find(ours) || location.pathname);
};

for (const form of document.querySelectorAll('form[data-passkey]')) {
  const error = form.querySelector('[data-error]');
  const button = form.querySelector('button');
  const say = text => { error.textContent = text; error.hidden = !text; };
  const able = 'PublicKeyCredential' in window && 'parseRequestOptionsFromJSON' in PublicKeyCredential;
  form.addEventListener('submit', async event => {
    event.preventDefault();
    if (!able) return say(error.dataset.unable || 'This browser cannot use passkeys. Use the other way.');
    say('');
    button.disabled = true;
    try { await run(form); } catch (e) { say(words(e, error.dataset)); }
    button.disabled = false;
  });
}
