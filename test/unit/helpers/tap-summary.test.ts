import test from 'ava';
import { TapSummary, tapResult } from '../../helpers/tap-summary.js';

function summaryOf(text: string, runs = 1): TapSummary {
  const summary = new TapSummary(runs);
  for (const line of text.split('\n')) summary.take(line);
  return summary;
}

test('reads passed, failed and skipped tests', (t) => {
  t.deepEqual(tapResult('ok 3 - a › one'), { outcome: 'passed', title: 'a › one' });
  t.deepEqual(tapResult('not ok 4 - a › two'), { outcome: 'failed', title: 'a › two' });
  t.deepEqual(tapResult('ok 1 - a › needs root # SKIP'), { outcome: 'skipped', title: 'a › needs root' });
  t.is(tapResult('    ok 1 - inside a diagnostic'), undefined);
});

test('an unfinished test is a failure', (t) => {
  t.deepEqual(tapResult('not ok 2 - a › later # TODO'), { outcome: 'failed', title: 'a › later' });
});

test('counts what ran and is good only when all of it passed', (t) => {
  const good = summaryOf('TAP version 13\nok 1 - a\nok 2 - b # SKIP\n\n1..2\n# pass 1\n');
  t.is(String(good), '1 passed, 0 failed, 1 skipped');
  t.true(good.ok);
  t.false(summaryOf('ok 1 - a\nnot ok 2 - b\n1..2').ok);
});

test('what failed is said again above the counts, as far as it is short', (t) => {
  const long = Array.from({ length: 100 }, (_, i) => `    line ${i}`).join('\n');
  const again = String(
    summaryOf(`ok 1 - a\n  # a word\nnot ok 2 - b\n  ---\n${long}\n  ...\nok 3 - c\n  # none\n1..3`),
  );
  t.regex(again, /^✘ b\n {4}---\n {6}line 0\n/);
  t.notRegex(again, /a word|none|line 50/);
  t.regex(again, /\n\n2 passed, 1 failed$/);
});

test('nothing that ran and a runner that died are failures', (t) => {
  t.false(summaryOf('TAP version 13\n1..0').ok);
  t.false(summaryOf('ok 1 - a').ok);
});

test('of several runs every one must have come to its end', (t) => {
  const text = 'TAP version 13\nok 1 - a\n\n1..1\n# tests 1\n\nTAP version 13\nok 1 - b\n';
  const good = summaryOf(`${text}1..1`, 2);
  t.is(String(good), '2 passed, 0 failed');
  t.true(good.ok);
  t.false(summaryOf(text, 2).ok);
  t.false(summaryOf('TAP version 13\nok 1 - b\n1..1', 2).ok);
});
