import test from 'ava';
import { Notifier } from '../../../ts/daemon/notify.js';

test('systemd hears of ready and stopping, and nothing else without a watchdog', (t) => {
  const sent: string[] = [];
  const notifier = new Notifier({ watchdog: undefined }, { send: (text) => void sent.push(text) });
  notifier.ready(() => true);
  notifier.stopping();
  t.deepEqual(sent, ['READY=1', 'STOPPING=1']);
});

test('the watchdog is fed while there is life, and not without', async (t) => {
  const sent: string[] = [];
  let alive = false;
  let fed = () => {};
  const isFed = new Promise<void>((resolve) => {
    fed = resolve;
  });
  let looks = 0;
  const send = (text: string) => {
    sent.push(text);
    if (text === 'WATCHDOG=1') fed();
  };
  const notifier = new Notifier({ watchdog: '2000' }, { send });
  const hold = setInterval(() => {}, 1_000); // the notifier itself must not keep a process alive
  notifier.ready(() => {
    alive = ++looks > 3;
    return alive;
  });
  await isFed;
  clearInterval(hold);
  notifier.stopping();
  t.is(looks, 4);
  t.deepEqual(sent, ['READY=1', 'WATCHDOG=1', 'STOPPING=1']);
});
