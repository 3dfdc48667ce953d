import { Column, Entity, PrimaryColumn } from 'typeorm';

/** A tenant: everything else belongs to exactly one project. */
@Entity({ name: 'project' })
export class ProjectEntity {
  @PrimaryColumn('uuid')
  id!: string;

  @Column('text')
  name!: string;

  @Column('timestamptz', { name: 'created_at' })
  createdAt!: Date;
}
