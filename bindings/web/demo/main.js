// The page: its form, its buttons, and the pictures that it sends.

import { Call } from './call.js';
import { Source } from './picture.js';
import { View } from './view.js';

const byId = (id) => document.getElementById(id);
const PICTURE_EVERY = 200;
/** What a page that is loaded again goes on with. It ends with the tab. */
const GOING_ON = 'moq-mls-demo';

const form = byId('join');
let call;
let sent = 0;

const view = new View({
  members: byId('members'),
  timeline: byId('timeline'),
  remove: (sender) => call?.command({ kind: 'remove', sender }),
});

/** Shows where the participant is. */
function show() {
  if (call.isOver) return;
  const { phase, epoch, authenticator, status } = call.state();
  document.body.dataset.phase = phase;
  document.body.dataset.epoch = `${epoch ?? ''}`;
  document.body.dataset.authenticator = authenticator ?? '';
  byId('where').textContent = status;
  if (authenticator) {
    const short = Object.assign(document.createElement('code'), { textContent: authenticator.slice(0, 16) });
    byId('where').replaceChildren(`Epoch ${epoch}, authenticator `, short);
  }
  view.show(call.members(), call.me);
}

/** Sends pictures until the call is over. */
async function sendPictures(mine, source) {
  while (!mine.isOver) {
    const began = Date.now();
    if (byId('sending').checked) {
      const picture = await source.next();
      if (mine.send(picture)) {
        sent += 1;
        const { epoch } = mine.state();
        view.own(mine.me, picture, `epoch ${epoch}, ${sent} sent`);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, began + PICTURE_EVERY - Date.now())));
  }
}

function over(reason) {
  sessionStorage.removeItem(GOING_ON);
  byId('call').hidden = true;
  form.hidden = false;
  byId('where').textContent = reason;
  Object.assign(document.body.dataset, { phase: 'ended', epoch: '', authenticator: '' });
  view.show([], new Uint8Array());
  form.querySelector('button').focus();
}

async function join(options) {
  byId('problem').textContent = '';
  byId('where').textContent = 'Joining';
  form.hidden = true;
  byId('call').hidden = false;
  byId('call').focus();
  view.clear();
  sent = 0;
  try {
    call = await Call.start(options);
  } catch (error) {
    over('Not in a room');
    byId('problem').textContent = error.message;
    return;
  }
  sessionStorage.setItem(GOING_ON, JSON.stringify({ ...options, token: '' }));
  // For the console, and for tests.
  globalThis.call = call;
  call.addEventListener('changed', show);
  call.addEventListener('news', ({ detail }) => view.say(detail));
  call.addEventListener('opened', ({ detail }) => view.picture(detail));
  call.addEventListener('over', ({ detail }) => over(detail));
  dispatchEvent(new CustomEvent('call', { detail: call }));
  if (call.isRestored) view.say({ kind: 'goes on from its state' });
  const source = new Source(options.name);
  byId('camera').onchange = ({ target }) =>
    source.useCamera(target.checked).catch((error) => {
      target.checked = false;
      view.say({ kind: 'trouble', what: 'the camera', error });
    });
  show();
  sendPictures(call, source)
    .catch((error) => view.say({ kind: 'trouble', what: 'the pictures', error }))
    .finally(() => source.useCamera(false));
}

byId('update').addEventListener('click', () => call?.command({ kind: 'update' }));
byId('leave').addEventListener('click', () => call?.command({ kind: 'leave' }));
form.addEventListener('submit', (event) => {
  event.preventDefault();
  join(Object.fromEntries(new FormData(form)));
});

// The address may fill in the form: `#relay=...&hash=...&counter=...`. What stands behind # is sent to nobody.
for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
  if (form.elements[name]) form.elements[name].value = value;
}
const goingOn = sessionStorage.getItem(GOING_ON);
// A token is not stored: who needs one types it again.
if (goingOn) {
  const options = JSON.parse(goingOn);
  for (const [name, value] of Object.entries(options)) form.elements[name].value = value;
  join(options);
}
