"""Jobs: requests that outlive the call that began them. Imports `pipeline` and lower packages.

Start with `service` (ImageService), then `runner` (a job of this process) and `waiter` (waiting for one); `recovery`
and `sweeper` deal with the jobs of processes that died. The states and their tables are in `pipeline.states`.

    job
        (new) --a--> running --b--> done
                     running --b--> failed
                     running --b--> cancelled
                     running --b--> unknown
                     unknown --c--> running
                     done --c--> running

    a  JobStore.open_job, in one transaction with the reservations of its vendor calls (service)
    b  JobStore.finish_job, once the calls are settled (runner), or when nothing is left to collect (recovery)
    c  JobStore.claim_orphaned_jobs, while the vendor may still return the images (sweeper)

    vendor call
        (new)    --d--> reserved --e--> sent --f--> settled
                        reserved --g--> released
                                        sent --g--> released
                                        sent --h--> unknown
                                        unknown --f--> settled

    d  open_job or reserve; reserve_retry creates a second row, in unknown, for an attempt that timed out
    e  mark_sent, just before the request is sent       f  settle_call, after the images are stored
    g  release_call, never sent or refused unbilled    h  mark_call_unknown, the reservation stays

    delivery
        `delivered` is set once the answer has been written to the client (delivery). Until then the same request
        joins or collects the job; from then on it is a new request. Images of `save=false` are stored until then,
        for an hour at most.
"""
