import type { Case } from '../case.js';
import { changeCases } from './change.js';
import { forwardCases } from './forward.js';
import { hairpinCases } from './hairpin.js';
import { refuseCases } from './refuse.js';
import { replyCases } from './reply.js';
import { untouchedCases } from './untouched.js';

export const allCases: readonly Case[] = [
  ...forwardCases,
  ...replyCases,
  ...hairpinCases,
  ...changeCases,
  ...refuseCases,
  ...untouchedCases,
];
