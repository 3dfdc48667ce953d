import { Injectable, type PipeTransform } from '@nestjs/common';
import { Problem } from './problem';

/**
 * Throws what is wrong with a body ({@link addJsonBodyParser}) when a handler asks for it. That is after the guards: who has
 * no key is told so, whatever they sent. A handler that takes no body does not care what came as one.
 */
@Injectable()
export class BodyPipe implements PipeTransform {
  transform(value: unknown): unknown {
    if (value instanceof Problem) throw value;
    return value;
  }
}
