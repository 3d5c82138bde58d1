// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Wires of a board around the lines of a gpio-sim chip, included by its source (build).
 *
 * gpio-sim knows one level a line. Here closed switches join lines to nets; a net has the level of what
 * drives it (low wins), else of a resistor, else of the pull that the chip's user asked for. Whatever an
 * output does reaches the inputs of its net before the user's call returns, as on a board.
 *
 * /dev/gpio-sim-wires: one order a write
 *   switch A B 0|1    open or close a switch between two lines
 *   drive A 0|1|-     drive a line from outside, or let it go
 *   pull A 0|1        solder a resistor to a line
 *   clear             open all switches, let all lines go, take all resistors out
 * A read gives one line, "LEVELS OUTPUTS CHIP NANOSECONDS": levels of all lines and the lines that are
 * outputs, in hexadecimal, bit 0 for line 0; whether the chip is there; and when (CLOCK_MONOTONIC). The first
 * read tells how it stands, each further one the next change, which it waits for.
 *
 * The outside stays as it is when the chip goes and comes back. Where the kernel has no device tree
 * /proc/device-tree/system/linux,revision says which Raspberry Pi this is.
 */
#include <linux/miscdevice.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#define WIRES_LINES 64
#define WIRES_KEPT 1024 /* changes that a slow reader does not miss; a power of two */

static unsigned int revision = 0xc03111;
module_param(revision, uint, 0444);
MODULE_PARM_DESC(revision, "of the Raspberry Pi that this is taken for; 0: none (default: 4B)");

struct wires_change {
	u64 levels, outputs, nanoseconds;
	bool chip;
};

static DEFINE_MUTEX(wires_lock);
static DECLARE_WAIT_QUEUE_HEAD(wires_changed);
static struct gpio_sim_chip *wires_chip;
static u64 wires_switched[WIRES_LINES];
static u64 wires_driven, wires_driven_high;
static u64 wires_resistors, wires_resistors_high;
static u64 wires_pulled_up;
static struct wires_change wires_kept[WIRES_KEPT];
static u64 wires_count = 1; /* changes so far; the last one is kept at wires_count - 1 */

static u64 wires_net(unsigned int line)
{
	u64 net = BIT_ULL(line), further = wires_switched[line];
	unsigned int other;

	while (further & ~net) {
		other = __ffs64(further & ~net);
		net |= BIT_ULL(other);
		further |= wires_switched[other];
	}
	return net;
}

static u64 wires_outputs(void)
{
	u64 outputs = 0;
	unsigned int line;

	for (line = 0; wires_chip && line < wires_chip->gc.ngpio; line++)
		if (!test_bit(line, wires_chip->direction_map))
			outputs |= BIT_ULL(line);
	return outputs;
}

static u64 wires_high_outputs(u64 outputs)
{
	u64 high = 0;
	unsigned int line;

	for (line = 0; line < WIRES_LINES; line++)
		if (outputs & BIT_ULL(line) && test_bit(line, wires_chip->value_map))
			high |= BIT_ULL(line);
	return high;
}

static bool wires_level(u64 net, u64 outputs, u64 high)
{
	u64 drivers = net & (wires_driven | outputs);
	u64 high_drivers = net & ((wires_driven & wires_driven_high) | high);

	if (drivers)
		return !(net & wires_driven & ~wires_driven_high) && !(net & outputs & ~high) && high_drivers;
	if (net & wires_resistors)
		return net & wires_resistors & wires_resistors_high;
	return net & wires_pulled_up;
}

/* With wires_lock. */
static void wires_settle(void)
{
	struct wires_change *last = &wires_kept[(wires_count - 1) % WIRES_KEPT], *now;
	u64 outputs = wires_outputs(), high = wires_high_outputs(outputs), levels = 0, net;
	unsigned int line;

	for (line = 0; line < WIRES_LINES; line++) {
		net = wires_net(line);
		if (wires_level(net, outputs, high))
			levels |= BIT_ULL(line);
	}
	for (line = 0; wires_chip && line < wires_chip->gc.ngpio; line++)
		if (!(outputs & BIT_ULL(line)))
			gpio_sim_apply_pull(wires_chip, line, !!(levels & BIT_ULL(line)));
	if (levels == last->levels && outputs == last->outputs && !!wires_chip == last->chip)
		return;
	now = &wires_kept[wires_count % WIRES_KEPT];
	now->levels = levels;
	now->outputs = outputs;
	now->chip = !!wires_chip;
	now->nanoseconds = ktime_get_ns();
	wires_count++;
	wake_up_interruptible(&wires_changed);
}

static void wires_settle_now(void)
{
	mutex_lock(&wires_lock);
	wires_settle();
	mutex_unlock(&wires_lock);
}

static void wired_set(struct gpio_chip *gc, unsigned int line, int value)
{
	gpio_sim_set(gc, line, value);
	wires_settle_now();
}

static void wired_set_multiple(struct gpio_chip *gc, unsigned long *mask, unsigned long *bits)
{
	gpio_sim_set_multiple(gc, mask, bits);
	wires_settle_now();
}

static int wired_direction_output(struct gpio_chip *gc, unsigned int line, int value)
{
	gpio_sim_direction_output(gc, line, value);
	wires_settle_now();
	return 0;
}

static int wired_direction_input(struct gpio_chip *gc, unsigned int line)
{
	gpio_sim_direction_input(gc, line);
	wires_settle_now();
	/* To gpiolib it is an output until this returns: what it has settled to is its pull so far. */
	gpio_sim_free(gc, line);
	return 0;
}

static int wired_set_config(struct gpio_chip *gc, unsigned int line, unsigned long config)
{
	enum pin_config_param wanted = pinconf_to_config_param(config);

	if (wanted != PIN_CONFIG_BIAS_PULL_UP && wanted != PIN_CONFIG_BIAS_PULL_DOWN &&
	    wanted != PIN_CONFIG_BIAS_DISABLE)
		return -ENOTSUPP;
	mutex_lock(&wires_lock);
	wires_pulled_up &= ~BIT_ULL(line);
	if (wanted == PIN_CONFIG_BIAS_PULL_UP)
		wires_pulled_up |= BIT_ULL(line);
	wires_settle();
	mutex_unlock(&wires_lock);
	return 0;
}

/* Nobody's line is an input without a pull. */
static void wired_free(struct gpio_chip *gc, unsigned int line)
{
	mutex_lock(&wires_lock);
	wires_pulled_up &= ~BIT_ULL(line);
	mutex_unlock(&wires_lock);
	wired_direction_input(gc, line);
}

static void wires_detach(void *unused)
{
	mutex_lock(&wires_lock);
	wires_chip = NULL;
	wires_pulled_up = 0;
	wires_settle();
	mutex_unlock(&wires_lock);
}

static void wires_attach(struct gpio_sim_chip *chip)
{
	struct gpio_chip *gc = &chip->gc;

	if (gc->ngpio > WIRES_LINES || wires_chip)
		return; /* a chip without wires */
	gc->set = wired_set;
	gc->set_multiple = wired_set_multiple;
	gc->direction_output = wired_direction_output;
	gc->direction_input = wired_direction_input;
	gc->set_config = wired_set_config;
	gc->free = wired_free;
}

/* gpiolib has the chip now, and lets it go only after wires_detach. */
static int wires_begin(struct gpio_sim_chip *chip)
{
	if (chip->gc.set != wired_set)
		return 0;
	mutex_lock(&wires_lock);
	wires_chip = chip;
	wires_settle();
	mutex_unlock(&wires_lock);
	return devm_add_action_or_reset(chip->gc.parent, wires_detach, NULL);
}

static int wires_order(const char *said)
{
	unsigned int line, other;
	char level;
	int end = 0;

	if (sscanf(said, "switch %u %u %c %n", &line, &other, &level, &end) == 3 && !said[end]) {
		if (line >= WIRES_LINES || other >= WIRES_LINES || (level != '0' && level != '1'))
			return -EINVAL;
		wires_switched[line] &= ~BIT_ULL(other);
		wires_switched[other] &= ~BIT_ULL(line);
		if (level == '1') {
			wires_switched[line] |= BIT_ULL(other);
			wires_switched[other] |= BIT_ULL(line);
		}
	} else if (sscanf(said, "drive %u %c %n", &line, &level, &end) == 2 && !said[end]) {
		if (line >= WIRES_LINES || (level != '0' && level != '1' && level != '-'))
			return -EINVAL;
		wires_driven &= ~BIT_ULL(line);
		wires_driven_high &= ~BIT_ULL(line);
		if (level != '-')
			wires_driven |= BIT_ULL(line);
		if (level == '1')
			wires_driven_high |= BIT_ULL(line);
	} else if (sscanf(said, "pull %u %c %n", &line, &level, &end) == 2 && !said[end]) {
		if (line >= WIRES_LINES || (level != '0' && level != '1'))
			return -EINVAL;
		wires_resistors |= BIT_ULL(line);
		wires_resistors_high &= ~BIT_ULL(line);
		if (level == '1')
			wires_resistors_high |= BIT_ULL(line);
	} else if (!strcmp(said, "clear")) {
		memset(wires_switched, 0, sizeof(wires_switched));
		wires_driven = wires_driven_high = wires_resistors = wires_resistors_high = 0;
	} else {
		return -EINVAL;
	}
	wires_settle();
	return 0;
}

/* What a reader has read, by its open file. */
static int wires_open(struct inode *inode, struct file *file)
{
	u64 *read = kzalloc(sizeof(*read), GFP_KERNEL);

	if (!read)
		return -ENOMEM;
	file->private_data = read;
	return nonseekable_open(inode, file);
}

static int wires_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static ssize_t wires_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char said[64];
	int wrong;

	if (size >= sizeof(said))
		return -EINVAL;
	if (copy_from_user(said, from, size))
		return -EFAULT;
	said[size] = 0;
	mutex_lock(&wires_lock);
	wrong = wires_order(strim(said));
	mutex_unlock(&wires_lock);
	return wrong ? wrong : size;
}

static ssize_t wires_read(struct file *file, char __user *to, size_t size, loff_t *at)
{
	u64 *read = file->private_data;
	struct wires_change change;
	char said[96];
	int length;

	if (*read >= READ_ONCE(wires_count) && file->f_flags & O_NONBLOCK)
		return -EAGAIN;
	if (wait_event_interruptible(wires_changed, *read < READ_ONCE(wires_count)))
		return -ERESTARTSYS;
	mutex_lock(&wires_lock);
	if (!*read)
		*read = wires_count - 1;
	if (wires_count - *read > WIRES_KEPT)
		*read = wires_count - WIRES_KEPT;
	change = wires_kept[*read % WIRES_KEPT];
	++*read;
	mutex_unlock(&wires_lock);
	length = scnprintf(said, sizeof(said), "%llx %llx %d %llu\n", change.levels, change.outputs,
			   change.chip, change.nanoseconds);
	if (size < length)
		return -EINVAL;
	return copy_to_user(to, said, length) ? -EFAULT : length;
}

static __poll_t wires_poll(struct file *file, poll_table *table)
{
	u64 *read = file->private_data;

	poll_wait(file, &wires_changed, table);
	return EPOLLOUT | (*read < READ_ONCE(wires_count) ? EPOLLIN : 0);
}

static const struct file_operations wires_operations = {
	.owner = THIS_MODULE,
	.open = wires_open,
	.release = wires_release,
	.write = wires_write,
	.read = wires_read,
	.poll = wires_poll,
};

static struct miscdevice wires_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gpio-sim-wires",
	.fops = &wires_operations,
	.mode = 0600,
};

static ssize_t wires_revision(struct file *file, char __user *to, size_t size, loff_t *at)
{
	__be32 said = cpu_to_be32(revision);

	return simple_read_from_buffer(to, size, at, &said, sizeof(said));
}

static const struct proc_ops wires_revision_operations = {
	.proc_read = wires_revision,
};

static bool wires_has_revision(void)
{
	return !IS_ENABLED(CONFIG_OF) && revision;
}

static int gpio_sim_init(void);
static void gpio_sim_exit(void);

static void wires_remove(void)
{
	if (wires_has_revision())
		remove_proc_subtree("device-tree", NULL);
	misc_deregister(&wires_device);
}

static int wires_add(void)
{
	struct proc_dir_entry *tree;
	int wrong = misc_register(&wires_device);

	if (wrong || !wires_has_revision())
		return wrong;
	tree = proc_mkdir("device-tree", NULL);
	tree = tree ? proc_mkdir("system", tree) : NULL;
	if (tree && proc_create("linux,revision", 0444, tree, &wires_revision_operations))
		return 0;
	wires_remove();
	return -ENOMEM;
}

static int __init wired_init(void)
{
	int wrong = wires_add();

	if (wrong)
		return wrong;
	wrong = gpio_sim_init();
	if (wrong)
		wires_remove();
	return wrong;
}

static void __exit wired_exit(void)
{
	gpio_sim_exit();
	wires_remove();
}
