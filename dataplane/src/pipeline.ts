// The life of a call, as one list. Each stage wraps those below it: the request goes down, the reply comes up.
import type { Handler, Received } from './exchange/stage.ts'
import type { Gateway } from './ports/gateway.ts'
import { admit } from './stages/admit/stage.ts'
import { audit } from './stages/audit/stage.ts'
import { cache } from './stages/cache/stage.ts'
import { forward } from './stages/forward.ts'
import { identify } from './stages/identify/stage.ts'
import { policy } from './stages/policy/stage.ts'
import { route } from './stages/route/stage.ts'

/** Answers a received call. Swapping two stages does not compile: each needs what the one before it adds. */
export function pipeline(gateway: Gateway): Handler<Received> {
  return audit(gateway)(
    //   open the record              | write it, whatever happened
    identify(gateway)(
      //     key → caller, targets        |
      admit(gateway)(
        //      hold budget, take a rate     | settle with the real usage
        policy(gateway)(
          //       read, mask, refuse           | the same on what comes back
          cache(gateway)(
            //        answer an equal call         | remember the answer
            route(gateway)(
              //         pick a target                | before the first event: the next
              forward(gateway), //                           | the only stage that leaves the pod
            ),
          ),
        ),
      ),
    ),
  )
}
