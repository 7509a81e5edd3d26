// In Node and in pages: a participant that is alone in its group.

/** Lets a new participant create its group, with a counter service of `api` beside it. Returns it. */
export function found(api, participant, nowMs) {
  const service = new api.Service(api.defaultServiceConfig());
  participant.handle(nowMs, { kind: 'join' });
  const objects = [];
  for (let now = nowMs; participant.phase() !== 'member'; now = Math.max(now, participant.deadline())) {
    if (now !== nowMs) participant.handle(now, { kind: 'timer' });
    for (let action = participant.poll(); action; action = participant.poll()) {
      const { kind, id } = action;
      if (kind === 'subscribe' || kind === 'subscribeNamespace') participant.handle(now, { kind: 'subscribed', id });
      else if (kind === 'fetch') participant.handle(now, { kind: 'fetched', id, objects });
      else if (kind === 'publish') participant.handle(now, { kind: 'published', id });
      else if (action.request) participant.handle(now, service.answer(now, action, new Uint8Array(16)));
    }
  }
  participant.switchNow(nowMs);
  while (participant.poll());
  return participant;
}
