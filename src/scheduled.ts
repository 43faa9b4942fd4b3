// What is done on schedule, on every runtime: sessions are swept, then stores are asked about what they work on.
import { type DeliverServices, pollRunning } from './delivery/deliver.ts'
import { type SweepCounts, type SweepServices, sweep } from './uploads/sweep.ts'

export async function runScheduled(
  services: SweepServices & DeliverServices,
): Promise<SweepCounts & { polled: number }> {
  const counts = await sweep(services)
  return { ...counts, polled: await pollRunning(services) }
}
