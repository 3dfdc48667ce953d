import { Column, Entity, PrimaryColumn } from 'typeorm';

/** Where people of a project are told. `settings` is parsed by the schema of its kind whenever it is used. */
@Entity({ name: 'channel' })
export class ChannelEntity {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('uuid', { name: 'project_id' })
  projectId!: string;

  @Column('text')
  kind!: string;

  @Column('text')
  name!: string;

  @Column('jsonb')
  settings!: Record<string, unknown>;

  /** The signing secret of a webhook; shown once when it is created. */
  @Column('text', { nullable: true })
  secret!: string | null;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;

  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  deletedAt!: Date | null;
}
