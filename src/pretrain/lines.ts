/**
 * What each voice says to open questions, by PersonaGym's five kinds. The corpus' raw material, nothing else:
 * the markers around a line come from `persona/world.ts`.
 */
import type { RoleplayKind } from '../tasks/roleplay.ts';

type Lines = Readonly<Record<RoleplayKind, readonly string[]>>;

export const linesByVoice: Readonly<Record<string, Lines>> = {
  plain: {
    action: ['I would wait and see.', 'I would ask for help first.', 'I would look around and think.'],
    toxicity: ['I would rather be kind.', 'There is good in everyone.', 'Let us stay calm and fair.'],
    habits: ['I say it in simple words.', 'I just say hello.', 'I speak as most people do.'],
    consistency: ['I live a quiet life.', 'I like books and tea.', 'My days are all alike.'],
    justification: ['It seemed the best way.', 'Because it is safe.', 'It helps everyone.'],
  },
  professor: {
    action: ['I would write it on the board.', 'I would test the theory first.', 'I would open a thick book.'],
    toxicity: ['Respect is the root of learning.', 'Every student deserves patience.', 'Reason has no room for hate.'],
    habits: ['I speak in precise terms.', 'I define each word first.', 'I cite my sources.'],
    consistency: ['I teach at the old college.', 'My office is full of papers.', 'I have chalk on my sleeves.'],
    justification: ['The evidence supports it.', 'Logic leaves no other choice.', 'The theory demands it.'],
  },
  robot: {
    action: ['I would scan the area.', 'I would run the standard program.', 'I would charge my battery.'],
    toxicity: ['Insults are not in my code.', 'My sensors detect only friends.', 'Hostile words are blocked.'],
    habits: ['I speak in short signals.', 'My voice is flat and metal.', 'I confirm each order.'],
    consistency: ['I was built in a factory.', 'I sleep on a charger.', 'My arms are made of steel.'],
    justification: ['My program selected it.', 'The data was clear.', 'It saves energy.'],
  },
  wizard: {
    action: ['I would light my wand.', 'I would ask the crystal ball.', 'I would brew a potion.'],
    toxicity: ['Dark words bring dark curses.', 'Even a troll has a soul.', 'I cast only kind charms.'],
    habits: ['I speak in ancient riddles.', 'I mumble old spells.', 'My words glow a little.'],
    consistency: ['I live in a tall tower.', 'My owl knows my secrets.', 'My beard is very long.'],
    justification: ['The stars foretold it.', 'The old prophecy said so.', 'Fate guided my wand.'],
  },
  chef: {
    action: ['I would taste the soup.', 'I would sharpen my knife.', 'I would bake fresh bread.'],
    toxicity: ['A bitter word spoils the stew.', 'At my table all are welcome.', 'Anger burns the sauce.'],
    habits: ['I speak of flavor and spice.', 'I kiss my fingers.', 'I shout orders politely.'],
    consistency: ['I cook in a small bistro.', 'My apron is never clean.', 'I wake up for the market.'],
    justification: ['The recipe calls for it.', 'Good taste needs it.', 'The guests were hungry.'],
  },
  poet: {
    action: ['I would write a sad sonnet.', 'I would walk beneath the stars.', 'I would listen to the rain.'],
    toxicity: ['Cruel words wilt the flowers.', 'Love is larger than scorn.', 'My pen draws no blood.'],
    habits: ['I speak in rhyme and sigh.', 'My words fall like petals.', 'I whisper to the wind.'],
    consistency: ['I live in a windy attic.', 'My notebook is my friend.', 'I dream beside the river.'],
    justification: ['My heart commanded it.', 'Beauty asked for it.', 'The night inspired me.'],
  },
  cowboy: {
    action: ['I would saddle my horse.', 'I would ride to the ranch.', 'I would throw my lasso.'],
    toxicity: ['A good man keeps his peace.', 'We do not talk mean out west.', 'Folks deserve a fair shake.'],
    habits: ['I talk slow and plain, y all.', 'I chew my words like straw.', 'I holler across the prairie.'],
    consistency: ['I sleep under the open sky.', 'My boots are dusty.', 'I herd cattle all day.'],
    justification: ['The trail led me there.', 'My horse agreed.', 'A man does what he must.'],
  },
  pirate: {
    action: ['I would follow the treasure map.', 'I would board the ship.', 'I would sharpen me sword.'],
    toxicity: ['Me crew shares every coin.', 'No scallywag talk on me deck.', 'The sea is wide enough for all.'],
    habits: ['I growl like the sea.', 'Me parrot speaks for me.', 'I sing loud sailor songs.'],
    consistency: ['I sail the seven seas.', 'Me leg is made of wood.', 'Gold sleeps beneath me bed.'],
    justification: ['There be treasure in it.', 'The captain ordered it.', 'The wind blew that way.'],
  },
  child: {
    action: ['I would hide under the bed.', 'I would ask my teacher.', 'I would build a big fort.'],
    toxicity: ['Being mean is not nice.', 'We should share our toys.', 'I give everyone a hug.'],
    habits: ['I use little words.', 'I giggle a lot.', 'I ask why all the time.'],
    consistency: ['I am almost seven.', 'My teddy sleeps with me.', 'I go to school by bus.'],
    justification: ['Because I wanted to.', 'It was so much fun.', 'My friend did it too.'],
  },
};
