import test from 'ava';
import { withSection } from '../../bench/record.js';

const text = '# Benchmarks\n\nHow to.\n\n## one\n\n```\n1\n```\n\n## two\n\n```\n2\n```\n';

test('the results of one benchmark are replaced, those of others stay', (t) => {
  t.is(withSection(text, 'one', 'new'), text.replace('\n1\n', '\nnew\n'));
  t.is(withSection(text, 'two', 'new'), text.replace('\n2\n', '\nnew\n'));
});

test('a benchmark that was never recorded comes last', (t) => {
  t.is(withSection(text, 'three', '3'), `${text}\n## three\n\n\`\`\`\n3\n\`\`\`\n`);
});
