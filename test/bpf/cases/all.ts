import type { Case } from '../case.js';
import { admitCases } from './admit.js';
import { carryCases } from './carry.js';
import { changeCases } from './change.js';
import { echoCases } from './echo.js';
import { errorCases } from './errors.js';
import { exactCases } from './exact.js';
import { extendedCases } from './extended.js';
import { forwardCases } from './forward.js';
import { fragmentCases } from './fragments.js';
import { fullNatCases } from './full-nat.js';
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
  ...admitCases,
  ...untouchedCases,
  ...echoCases,
  ...errorCases,
  ...extendedCases,
  ...fragmentCases,
  ...carryCases,
  ...exactCases,
  ...fullNatCases,
];
