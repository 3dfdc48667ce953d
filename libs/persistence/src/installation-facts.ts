import type { DataSource } from 'typeorm';

/** This process is configured against what the installation was started with. */
export class InstallationMismatch extends Error {
  override readonly name = 'InstallationMismatch';
}

/**
 * Records a fact of the installation at its first start and holds every later process to it.
 *
 * @throws InstallationMismatch naming the variable
 */
export async function requireInstallationFact(
  dataSource: DataSource,
  name: string,
  value: number,
  variable: string,
): Promise<void> {
  await dataSource.query('INSERT INTO installation_fact (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
    name,
    JSON.stringify(value),
  ]);
  const [row] = await dataSource.query<{ value: number }[]>('SELECT value FROM installation_fact WHERE name = $1', [
    name,
  ]);
  if (row?.value !== value) {
    throw new InstallationMismatch(
      `${variable} is ${value}, but this installation was started with ${row?.value ?? 'another value'}; set ${variable} to that`,
    );
  }
}
