import { namesPrivateTarget, newWebhookSecret } from '@flatline/channels';
import { Inject, Injectable } from '@nestjs/common';
import { type Clock, CLOCK, CONFIG, type FlatlineConfig, Problem } from '@flatline/service-kernel';
import { DataSource, type EntityManager } from 'typeorm';
import { v7 as uuidv7 } from 'uuid';
import { rfc3339 } from '../requests/fields';
import {
  type ChannelView,
  type ConfigurableKind,
  type CreateChannel,
  type NewChannelView,
  settingsOf,
} from './channel-schemas';

interface ChannelRow {
  id: string;
  kind: ConfigurableKind;
  name: string;
  settings: Record<string, unknown>;
  created_at: Date;
}

/** Where people of a project are told. */
@Injectable()
export class ChannelsService {
  constructor(
    @Inject(CONFIG) private readonly config: FlatlineConfig,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly dataSource: DataSource,
  ) {}

  /** @throws Problem 402 at the quota, 422 for a target this installation would never send to */
  async create(projectId: string, input: CreateChannel): Promise<NewChannelView> {
    const settings = settingsOf(input);
    this.refuseUnusable(input.kind, settings);
    const row = { id: uuidv7(), kind: input.kind, name: input.name, settings, created_at: new Date(this.clock.now()) };
    const secret = input.kind === 'webhook' ? newWebhookSecret() : null;
    await this.dataSource.transaction(async (manager) => {
      await this.refuseOverQuota(manager, projectId);
      await manager.query(
        `INSERT INTO channel (id, project_id, kind, name, settings, secret, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)`,
        [row.id, projectId, row.kind, row.name, JSON.stringify(settings), secret, row.created_at],
      );
    });
    return { ...viewOf(row), ...(secret === null ? {} : { secret }) };
  }

  async list(projectId: string): Promise<{ channels: ChannelView[] }> {
    const rows = await this.dataSource.query<ChannelRow[]>(
      `SELECT id, kind, name, settings, created_at FROM channel
       WHERE project_id = $1 AND deleted_at IS NULL ORDER BY created_at, id`,
      [projectId],
    );
    return { channels: rows.map(viewOf) };
  }

  /** @throws Problem 404 */
  async delete(projectId: string, id: string): Promise<void> {
    const [, deleted] = await this.dataSource.query<[unknown, number]>(
      'UPDATE channel SET deleted_at = $3 WHERE id = $1 AND project_id = $2 AND deleted_at IS NULL',
      [id, projectId, new Date(this.clock.now())],
    );
    if (deleted !== 1) throw Problem.notFound();
  }

  private refuseUnusable(kind: ConfigurableKind, settings: Record<string, unknown>): void {
    if (kind === 'email' && !this.config.SMTP_URL) {
      throw Problem.invalid([{ field: 'kind', message: 'email cannot be used: SMTP_URL is not set on this server' }]);
    }
    const isPrivate = kind === 'webhook' && namesPrivateTarget(new URL(String(settings['url'])));
    if (isPrivate && !this.config.ALLOW_PRIVATE_WEBHOOK_TARGETS) {
      throw Problem.invalid([{ field: 'settings.url', message: 'must not lead to a private or loopback address' }]);
    }
  }

  private async refuseOverQuota(manager: EntityManager, projectId: string): Promise<void> {
    await manager.query('SELECT 1 FROM project WHERE id = $1 FOR UPDATE', [projectId]);
    const [row] = await manager.query<{ count: number }[]>(
      'SELECT count(*)::int AS count FROM channel WHERE project_id = $1 AND deleted_at IS NULL',
      [projectId],
    );
    if ((row?.count ?? 0) >= this.config.MAX_CHANNELS_PER_PROJECT) throw new Problem(402, 'channel quota reached');
  }
}

function viewOf({ id, kind, name, settings, created_at: createdAt }: ChannelRow): ChannelView {
  return { id, kind, name, settings, created_at: rfc3339(createdAt.getTime()) };
}
