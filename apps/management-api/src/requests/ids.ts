import { Injectable, type PipeTransform } from '@nestjs/common';
import { Problem } from '@flatline/service-kernel';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a text is an id as we write them. A ping token is none, and neither is an id in another spelling. */
export function isId(text: string): boolean {
  return UUID.test(text);
}

/** Takes an id from a path. What cannot be one is simply not found, like one that nobody has. */
@Injectable()
export class IdPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    if (!isId(value)) throw Problem.notFound();
    return value;
  }
}
