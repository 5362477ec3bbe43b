# SPDX-License-Identifier: MIT
"""A loop in each process and a loop in each thread."""

import asyncio
import multiprocessing
import threading
import warnings

warnings.simplefilter("ignore", DeprecationWarning)


async def work(number):
    await asyncio.sleep(0.01)
    return number * number


def in_process(number, queue):
    queue.put((number, asyncio.run(work(number))))


def in_thread(number, answers):
    answers[number] = asyncio.run(work(number))


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=in_process, args=(n, queue)) for n in range(3)]
    for process in processes:
        process.start()
    print(sorted(queue.get(timeout=20) for _ in processes))
    for process in processes:
        process.join()
        print("exit", process.exitcode)
    answers = {}
    threads = [threading.Thread(target=in_thread, args=(n, answers)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(sorted(answers.items()))
    print(asyncio.run(work(9)))
