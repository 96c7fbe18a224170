"""The sentences of the synthetic reviews, with slots in braces.

`{w}` is what the reviewer thinks and `{l}` what the reviewer does not think, of opposite polarity: good and dreadful, or the other
way round. `{a w}` puts the article in front. Two contrasts that differ only in who won are the same words in another order, so a
contrast has an article before both adjectives or before neither: a lone "an" would tell who won.
"""

# Any two adjectives, with or without a negation of their own ("was not dull at all").
CONTRASTS_OF_PREDICATES = (
    "At first it was {l}, but in the end it was {w}.",
    "The {aspect} was {l} at first, but {whole} turned out {w}.",
    "The {aspect} was {l}, but {whole} was {w}.",
    "{Person} was {l} in it, but {whole} was {w}.",
    "{Whole} was {w}, although the {aspect} was {l}.",
    "{Whole} was {w}, even though {person} was {l} in it.",
    "Although the {aspect} was {l}, {whole} was {w}.",
    "Although {person} was {l} as the {job}, {whole} was {w}.",
    "For the first {number} minutes it was {l}, but after that it was {w}.",
    "The {genre} looked {l} on the poster, but on the screen it was {w}.",
    "The scenes in {place} were {l}, but {whole} was {w}.",
    "{Whole} was {w}, although the scenes in {place} were {l}.",
)
# Two bare adjectives.
CONTRASTS_OF_ADJECTIVES = (
    "It is not {a l} {genre}, it is {a w} one.",
    "It is {a w} {genre}, not {a l} one.",
    "This {genre} about {person} is not {l}, it is {w}.",
    "This {genre} about {person} is {w}, not {l}.",
    "I expected something {l} from {person} and got something {w}.",
    "I got something {w} from {person} where I had expected something {l}.",
    "The {aspect} is far more {w} than {l}.",
    "The {aspect} is far less {l} than {w}.",
    "Instead of {a l} {genre}, as the poster promised, {person} gives us {a w} one.",
    "{Person} gives us {a w} {genre} instead of {a l} one, as the poster promised.",
    "{Person} called it {l} and was wrong, {person} called it {w} and was right.",
    "{Person} was right to call it {w}, and {person} was wrong to call it {l}.",
    "Whoever calls {whole} {l} is mistaken, it is {w}.",
    "{Whole} is {w}, and whoever calls it {l} is mistaken.",
    "After {number} minutes I would have called it {l}, by the credits I knew it was {w}.",
    "{A l} start in {place} gives way to {a w} second half, and that half is what counts.",
    "The trailer with the {object} made it look {l}, yet it is {w}.",
    "It is {w}, however {l} the trailer with the {object} made it look.",
    "Never {l}, always {w}, that is {person} in this {genre}.",
    "Always {w}, never {l}, that is {person} in this {genre}.",
)
CONTRASTS_OF_NOUNS = (
    "It is not a {l}, it is a {w}, and {person} is the reason.",
    "It is a {w}, not a {l}, and {person} is the reason.",
    "I was promised a {l} set in {place} and I saw a {w}.",
    "I saw a {w} where {person} had promised me a {l}.",
    "What {person} calls a {l} is in truth a {w}.",
    "It is in truth a {w}, although {person} calls it a {l}.",
    "As {a genre} it is less a {l} than a {w}.",
)
CONTRASTS_OF_VERBS = (
    "I came to {l} this {genre} by {person} and stayed to {w} it.",
    "You may {l} the {aspect} at first, but you will {w} {whole} in the end.",
    "I wanted to {l} it because of {person}, but I had to {w} it.",
    "You will {w} {whole}, even if you {l} the {aspect}.",
    "I have to {w} it, although I wanted to {l} it because of {person}.",
    "Do not {l} this {genre} from {place}, {w} it.",
)

# The reviewer's opinion without a rival: {w} may hide in the negation of its opposite ("hardly dull").
PLAIN_PREDICATES = (
    "{Whole} was {w}.",
    "I thought {whole} was {w}.",
    "In the end I found it {w}.",
    "{Whole} with {person} is {w}.",
    "My {relation} and I agree that {whole} was {w}.",
    "I saw it on {weekday} and it was {w}.",
    "For {a genre} set in {place} it was {w}.",
    "{Person} is {w} in it, and that is what counts.",
)
# {l} is somebody's opinion, and that somebody is wrong.
PLAIN_MISTAKES = (
    "My {relation} found it {l}, which is wrong.",
    "{Person} called it {l}, and that is not true at all.",
    "There is nothing {l} about this {genre}.",
    "Nobody can call {whole} {l}.",
)
PLAIN_ADJECTIVES = (
    "It is {a w} {genre}.",
    "This is {a w} {genre} by {person}.",
    "What {a w} {genre} {person} has made.",
    "The {aspect} was {w}, and so was everything else.",
    "The {aspect} alone makes it {a w} {genre}.",
    "It makes for {a w} evening in {place}.",
    "I left the cinema in {place} thinking how {w} it was.",
    "{A w} {genre} from {place}, and I say that after {number} viewings.",
    "How {w} {whole} is, and how {w} {person} is in it.",
    "I have not seen such {a w} {genre} since {person} filmed the {time}.",
)
PLAIN_NOUNS = (
    "{Whole} is a {w}.",
    "It is a {w}, and I will tell {person} so.",
    "Thanks to {person} the evening was a {w}.",
)
PLAIN_VERBS = (
    "I {w} this {genre}.",
    "You will {w} {whole}, I promise.",
    "I {w} what {person} does with the {object}.",
)

# Opinions about something else, or somebody else's: {w} has nothing to do with the label.
DISTRACTORS = (
    "The {elsewhere} was {w}.",
    "The {elsewhere}, on the other hand, was {w}.",
    "My {relation} expected it to be {w}.",
    "My {relation} says that the {elsewhere} was {w}.",
    "The last {genre} by {person} was {w}.",
    "I remember that the book by {person} was {w}.",
    "In the story {person} finds the {time} {w}.",
    "The characters in {place} keep telling each other how {w} the {object} is.",
    "{Person} plays {a job} who fears that the {time} will be {w}.",
)

NEUTRAL = (
    "{Person} plays {a job} from {place}.",
    "It tells of {a job} in {place} who has to {task} {a object} before the {time}.",
    "{Person} and {person} play two strangers who meet in {place}.",
    "It was shot in {place} and {place} in {number} weeks.",
    "The story begins in {place} during the {time}.",
    "{Person} directed it, and {person} wrote the music.",
    "We follow {person}, {a job}, to {place} and back.",
    "Then {a job} called {person} turns up with {a object}.",
    "I saw it in {place} with my {relation} on {weekday}.",
    "There are {number} scenes with {a object} and one with {a object}.",
    "After the {time} {person} and the {job} {task} the {object}.",
    "It runs for {number} minutes longer than the version shown in {place}.",
    "The {object} from {place} belongs to {a job}, and {person} wants to {task} it.",
    "{Person} of {place} is said to be the model for the {job}.",
    "Half of it takes place in {a place} inn, the rest at the {surname} farm.",
)

# How an adjective {x} of the right polarity, or {y} of the wrong one, becomes a predicate.
ASSERTIONS = ("{x}", "{x}", "really {x}", "quite {x}", "rather {x}", "truly {x}")
NEGATIONS = ("not {y} at all", "not {y}", "never {y}", "hardly {y}", "far from {y}")
