// What RxJS, p-map and Node.js give for the inputs of tests/test_elsewhere.py, as JSON.
//
//     node tests/elsewhere.mjs FOLDER
//
// where FOLDER/node_modules holds rxjs and p-map. Time is that of RxJS's test scheduler:
// a column of a drawing is one tick.
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const require = createRequire(`${folder}/`);
const rx = require("rxjs");
const { TestScheduler } = require("rxjs/testing");
const { default: pMap, pMapIterable } = await import(
  pathToFileURL(`${folder}/node_modules/p-map/index.js`)
);

const xs = [3, 1, 2];
const two = [1, 2];
const waits = [4, 1, 2];
const repeated = [1, 1, 2, 1];
const isLarge = (x) => x > 2;
const add = (a, b) => a + b;

// What a stream gives: values alone, or with the ticks at which they come.
const gives = async (...operators) =>
  rx.lastValueFrom(rx.from(xs).pipe(...operators, rx.toArray()));
const ofItems = async (items, ...operators) =>
  rx.lastValueFrom(rx.from(items).pipe(...operators, rx.toArray()));

const drawn = (make) => {
  const seen = [];
  const scheduler = new TestScheduler(() => {});
  scheduler.run(({ cold, flush }) => {
    make(cold).subscribe({
      next: (value) => seen.push([scheduler.now(), value]),
      error: (error) => seen.push([scheduler.now(), `! ${error.name}`]),
    });
    flush();
  });
  return seen;
};

const slow = (x) => rx.timer(x).pipe(rx.map(() => 10 * x));
const inner = (cold) => (item) => cold("0--1|").pipe(rx.map((n) => item + n));

const rxjs = {
  aaccumulate: await gives(rx.scan(add)),
  aall: (await gives(rx.every(isLarge)))[0],
  abatched: await gives(rx.bufferCount(2)),
  achain: await rx.lastValueFrom(rx.concat(xs, two).pipe(rx.toArray())),
  acollect: await rx.lastValueFrom(rx.from(xs).pipe(rx.toArray())),
  acycle: await gives(rx.repeat(), rx.take(5)),
  adropwhile: await gives(rx.skipWhile(isLarge)),
  afilter: await gives(rx.filter(isLarge)),
  afind: (await gives(rx.find(isLarge)))[0],
  afirst: (await gives(rx.first()))[0],
  aflat_map: await gives(rx.concatMap((x) => [x, 10 * x])),
  aflatten: await ofItems([xs, two], rx.concatAll()),
  agroupby: await ofItems(
    repeated,
    rx.groupBy((x) => x),
    rx.mergeMap((group) => group.pipe(rx.toArray(), rx.map((all) => [group.key, all]))),
  ),
  aislice: await gives(rx.skip(1), rx.take(1)),
  alast: (await gives(rx.last()))[0],
  alen: (await gives(rx.count()))[0],
  amap: await gives(rx.concatMap(async (x) => 10 * x)),
  amax: (await gives(rx.max()))[0],
  amin: (await gives(rx.min()))[0],
  anth: (await gives(rx.elementAt(1)))[0],
  apairwise: await gives(rx.pairwise()),
  areduce: (await gives(rx.reduce(add)))[0],
  atail: await gives(rx.takeLast(2)),
  atakewhile: await gives(rx.takeWhile(isLarge)),
  atakewhile_inclusive: await gives(rx.takeWhile(isLarge, true)),
  atimeout: drawn((cold) => cold("a-b----c|").pipe(rx.timeout({ each: 3 }))),
  aunique: await ofItems(repeated, rx.distinct()),
  awindowed: await gives(rx.bufferCount(2, 1)),
  concurrent_batched: drawn((cold) => cold("a-b-----c|").pipe(rx.bufferTime(3))),
  concurrent_broadcast: drawn((cold) => {
    const shared = cold("a-b-c|").pipe(rx.share());
    return rx.merge(shared, shared);
  }),
  concurrent_debounce: drawn((cold) => cold("a-b---c|").pipe(rx.debounceTime(3))),
  concurrent_expand: drawn(() =>
    rx.of(3).pipe(rx.expand((x) => (x > 1 ? rx.of(x - 1).pipe(rx.delay(1)) : rx.EMPTY))),
  ),
  concurrent_flat_map_unordered: drawn((cold) =>
    cold("a-b|").pipe(rx.mergeMap(inner(cold), 2)),
  ),
  concurrent_for_each: (await drawn(() => rx.from(waits).pipe(rx.mergeMap(slow, 2))))
    .map(([, value]) => value)
    .sort(),
  concurrent_map_unordered: drawn(() => rx.from(waits).pipe(rx.mergeMap(slow, 2))),
  concurrent_merge: drawn((cold) => rx.merge(cold("a--b|"), cold("-c--d|"))),
  concurrent_partition: await gives(
    rx.groupBy((x) => x % 2),
    rx.mergeMap((group) => group.pipe(rx.toArray(), rx.map((all) => [group.key, all]))),
  ),
  concurrent_sample: drawn((cold) => cold("a-b-----c-|").pipe(rx.sampleTime(3))),
  concurrent_switch_map: drawn((cold) => cold("a-b|").pipe(rx.switchMap(inner(cold)))),
  concurrent_zip: drawn((cold) => rx.zip(cold("a--b|"), cold("-c--d|"))),
  concurrent_zip_latest: drawn((cold) =>
    rx.combineLatest([cold("a--b|"), cold("-c--d|")]),
  ),
};

const all = async (iterable) => {
  const found = [];
  for await (const item of iterable) found.push(item);
  return found;
};
const later = async (x) => 10 * x;
const [first, second] = ReadableStream.from(xs).tee();

// Not every Node.js has them.
const helpers = globalThis.Iterator && {
  aall: xs.values().every(isLarge),
  aany: xs.values().some(isLarge),
  acollect: await Array.fromAsync(Readable.from(xs)),
  afilter: [...xs.values().filter(isLarge)],
  afind: xs.values().find(isLarge),
  aflat_map: [...xs.values().flatMap((x) => [x, 10 * x])],
  aislice: [...xs.values().drop(1).take(1)],
  amap: [...xs.values().map((x) => 10 * x)],
  areduce: xs.values().reduce(add),
};
const javascript = {
  ...helpers,
  atee: [await all(first), await all(second)],
  captured: (
    await Promise.allSettled([later(1), Promise.reject(new Error("no"))])
  ).map((outcome) => outcome.status),
  concurrent_collect: await pMap(xs, later, { concurrency: 2 }),
  concurrent_filter: await all(
    Readable.from(xs).filter(async (x) => x > 2, { concurrency: 2 }),
  ),
  concurrent_for_each: await (async () => {
    const seen = [];
    await Readable.from(waits).forEach(async (x) => seen.push(10 * x), { concurrency: 2 });
    return seen.sort();
  })(),
  concurrent_map: await all(pMapIterable(xs, later, { concurrency: 2 })),
};

console.log(JSON.stringify({ RxJS: rxjs, JavaScript: javascript }));
