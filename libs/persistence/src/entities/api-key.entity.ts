import { Column, Entity, PrimaryColumn } from 'typeorm';

export type ApiKeyScope = 'admin' | 'write' | 'read';

/** A management key. Only its SHA-256 is kept; `prefix` lets a person tell keys apart. */
@Entity({ name: 'api_key' })
export class ApiKeyEntity {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'project_id' })
  projectId!: string;

  @Column('text')
  name!: string;

  @Column('text')
  prefix!: string;

  @Column('bytea')
  hash!: Buffer;

  @Column('text')
  scope!: ApiKeyScope;

  /** May create projects; true for the bootstrap key alone. */
  @Column('boolean', { name: 'instance_admin' })
  instanceAdmin!: boolean;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt!: Date | null;
}
