import { type ArgumentsHost, Catch, type ExceptionFilter, Inject } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Clock, CLOCK } from '../clock';
import { LOGGER, type Logger } from '../logging/create-logger';
import { RecurringWarning } from '../logging/recurring-warning';
import { sendProblem } from './send-problem';

/** Answers what controllers throw in the same form as everything else. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  /** While the database is away every request fails, and anybody can send as many as they like. */
  private readonly unavailable: RecurringWarning;

  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(CLOCK) clock: Clock,
  ) {
    this.unavailable = new RecurringWarning(logger, clock, 'requests are answered with 503');
  }

  catch(exception: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const [request, reply] = [http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>()];
    sendProblem(exception, request, reply, this.logger, this.unavailable);
  }
}
