// The targets by name. deliver.ts does the common part: claim, back-off, record.
import type { TargetName } from '../../core/ports/deliveries.ts'
import { media } from './media.ts'
import { ossAsync } from './oss-async.ts'
import { ossImage } from './oss-image.ts'
import type { Target } from './target.ts'
import { webhook } from './webhook.ts'

export const TARGETS: Record<TargetName, Target> = {
  webhook,
  'oss-image': ossImage,
  'oss-async': ossAsync,
  media,
}
