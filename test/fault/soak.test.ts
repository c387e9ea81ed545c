import { rootTest } from '../helpers/needs.js';
import { broken, reportText, soakDataplane } from '../soak/dataplane.js';

rootTest('a slice of `npm run soak -- dataplane`: no held connection is reset or meets another backend', async (t) => {
  const report = await soakDataplane(t, { seconds: 15, bytes: 100e6, changes: 100 });
  t.log(reportText(report));
  t.deepEqual(broken(report), []);
  for (const { client, held, answers, errors } of report.clients) {
    t.is(held.find(({ kind }) => kind === 'transfer')?.bytes, 100e6, client);
    t.deepEqual(errors, {}, client);
    t.true(Object.keys(answers).length >= 3, `${client}: those that come and go had connections too`);
  }
  t.true(report.changes > 10, `${report.changes} changes`); // of 1,500 on a machine with nothing else to do
});
