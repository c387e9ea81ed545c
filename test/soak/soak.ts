import { faultOf, faultText } from '../../ts/util/errors.js';

/** `npm run soak -- cluster|dataplane`: what takes long to go wrong. Ends with status 1 at the first thing that did. */
const soaks: Readonly<Record<string, () => Promise<{ readonly soak: () => Promise<void> }>>> = {
  cluster: () => import('./cluster.js'),
  dataplane: () => import('./dataplane.js'),
};

try {
  const load = soaks[process.argv[2] ?? ''];
  if (load === undefined) throw new Error(`there are the soaks ${Object.keys(soaks).join(' and ')}`);
  await (await load()).soak();
  process.exit(0);
} catch (error) {
  console.error(`soak: ${faultText(faultOf(error, 'soak'))}`);
  process.exit(1);
}
