import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const repository = fileURLToPath(new URL('../../../', import.meta.url));

/** A file of the repository: path from its root, and text. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Every file below `folder` whose name ends so. */
export function sourceFiles(folder: string, ...endings: readonly string[]): readonly SourceFile[] {
  return readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .map((name) => join(folder, name))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(repository, path), 'utf8') }));
}

/** What a module imports: paths from the repository's root for our own files, names for packages. */
export function importsOf({ path, text }: SourceFile): readonly string[] {
  const specifiers = text.matchAll(
    /^(?:import|export)\b[^;]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return Array.from(specifiers, ([, a, b, c]) => a ?? b ?? c ?? '').map((specifier) =>
    specifier.startsWith('.')
      ? relative(repository, join(repository, dirname(path), specifier)).replace(/\.js$/, '.ts')
      : specifier,
  );
}
