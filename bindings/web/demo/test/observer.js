// In a page: reports what was opened and sent to the test, which has put `report` there.

addEventListener('call', ({ detail: call }) => {
  const me = new TextDecoder().decode(call.me);
  const run = crypto.randomUUID();
  const tell = (kind, detail) => globalThis.report({ run, me, kind, ...detail });
  tell('began', { isRestored: call.isRestored });
  call.addEventListener('sent', ({ detail: { sequence, at } }) => {
    tell('sent', { sequence, at, epoch: Number(call.state().epoch) });
  });
  call.addEventListener('opened', ({ detail: { sender, sequence, at, epoch } }) => {
    tell('opened', { from: new TextDecoder().decode(sender), sequence, at, epoch: Number(epoch) });
  });
  call.addEventListener('news', ({ detail }) => {
    if (detail.kind !== 'memberLeft') return;
    tell('left', { who: new TextDecoder().decode(detail.sender), at: Date.now() });
  });
  call.addEventListener('over', ({ detail }) => tell('over', { reason: detail }));
});
