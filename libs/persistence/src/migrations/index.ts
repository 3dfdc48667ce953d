import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A migration that runs one SQL file of this folder. To add one: write the file, add a class below. Migrations that
 * have landed are never edited.
 */
abstract class SqlMigration implements MigrationInterface {
  abstract readonly name: string;
  protected abstract readonly file: string;

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(readFileSync(join(__dirname, this.file), 'utf8'));
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations of Flatline only go forward; restore a backup to go back'));
  }
}

// TypeORM orders migrations by the millisecond timestamp at the end of their name.
class Foundation extends SqlMigration {
  readonly name = 'Foundation1763900000001';
  protected readonly file = '0001-foundation.sql';
}

class TraceContext extends SqlMigration {
  readonly name = 'TraceContext1763900000002';
  protected readonly file = '0002-trace-context.sql';
}

class MissedAndUnknown extends SqlMigration {
  readonly name = 'MissedAndUnknown1763900000003';
  protected readonly file = '0003-missed-and-unknown.sql';
}

class Misfits extends SqlMigration {
  readonly name = 'Misfits1763900000004';
  protected readonly file = '0004-misfits.sql';
}

class CutOff extends SqlMigration {
  readonly name = 'CutOff1763900000005';
  protected readonly file = '0005-cut-off.sql';
}

export const migrations = [Foundation, TraceContext, MissedAndUnknown, Misfits, CutOff];
