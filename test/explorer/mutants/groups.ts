/** Group tables with one mistake each. */
import { GroupTable } from '../../../src/slots/groups.ts';

/** Members have their turns in the order of the list, whoever was ready first. */
export class TicketlessGroups extends GroupTable {
  override ticket(): number {
    return 1;
  }
}
