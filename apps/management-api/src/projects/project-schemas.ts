import { createZodDto } from 'nestjs-zod';
import { z } from 'zod';
import { nameField } from '../requests/fields';

export const createProjectSchema = z.object({ name: nameField }, 'must be a JSON object');

export const newProjectSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  api_key: z.string().describe('The first key of the project, of scope admin. Shown this once.'),
});
export type NewProject = z.input<typeof newProjectSchema>;

export class CreateProjectDto extends createZodDto(createProjectSchema) {}
export class NewProjectDto extends createZodDto(newProjectSchema) {}
